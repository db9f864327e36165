// Package sandbox runs a tool on bytes that nobody vouches for. The tool gets one work folder to write to, the files it
// was given and the system's libraries to read, no network, hard limits on memory, processor time, file size and open
// files, a clean environment, and a process group that dies as a whole.
//
// A program that calls [Run] must call [Child] first thing in main (or TestMain): Run starts the program itself again,
// and Child, in that second process, takes the rights away and becomes the tool. The file and network rules are Landlock's
// and hold as far as the kernel has it ([Landlock]); everything else holds on every Linux.
package sandbox
