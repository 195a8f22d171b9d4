package pgtest

import "syscall"

// withParent ends the server with the test binary, also when that is killed.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
