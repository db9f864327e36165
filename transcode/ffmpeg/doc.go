// Package ffmpeg writes ffmpeg's command lines and reads its progress. Argument lists are pure functions, never pass
// through a shell, name the one input format and the one protocol allowed, and fix every thread count, so that equal
// inputs give equal frames. What runs them is given by the caller ([Runner], in production the sandbox).
package ffmpeg
