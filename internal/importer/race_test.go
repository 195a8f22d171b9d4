//go:build race

package importer_test

// raceDetector says that the tests run with the race detector, several times
// slower.
const raceDetector = true
