// Package witness is the second opinion about the simulator: its tests read a
// generated world with GitLab's official Go client, which shares no line with
// weir's own, and compare every row with the world. It is a module of its own so
// that the official client never becomes a dependency of weir.
package witness
