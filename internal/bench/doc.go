// Package bench measures weir as its users meet it: the built program, in a
// process of its own, against a simulated GitLab on loopback. It holds
// benchmarks only; `make bench` runs them, and doc/benchmarks.md keeps what they
// said, with machine and date.
//
// Requests are counted by the simulator, memory is the program's own maximum
// resident set as the kernel counted it, and seconds include starting the
// program. The simulator runs in a process of its own on the same cores, so
// seconds are upper bounds.
//
// BenchmarkQuery and BenchmarkMeasure are of another kind: they ask every metric,
// in this process, over ten million made-up jobs, and compute anew what is kept
// for them. `make bench-query` keeps their database in a file, which takes minutes
// to write the first time. BenchmarkQueryPostgres asks PostgreSQL over a million.
package bench
