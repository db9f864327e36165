// Package manifeststest makes presentations for the tests of whoever reads them: large ones out of numbers alone, and a
// small real one, encoded by ffmpeg, with a handler that serves it the way the edge does. It is imported by tests only.
package manifeststest
