// Package systemtest holds the tests of the plain binary as a whole: its commands as scripts, what it serves judged by
// ffprobe, ffmpeg, xmllint and grafov/m3u8, kill -9 at named points, and a real film. It has no code of its own.
//
// WEIR_BIN names the binary to test; without it one is built once.
package systemtest
