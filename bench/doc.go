// Package bench is the load tester behind `weir bench`: scenarios that put an edge, or any HTTP server, under the load that
// viewers make, and reports that say what it did. It measures from outside and knows nothing of the server but URLs and,
// on one machine, the kernel's account of its CPU time.
//
// Three rules hold in every scenario. In open-loop runs a request has an intended start from a schedule that does not
// wait for the server, and its latency counts from there, so that a server that pauses cannot hide the requests it kept
// waiting (coordinated omission). A body is counted right only if its length, and where it is known its content, was. And
// load goes to loopback addresses only, unless who runs it says that the other host is theirs; every run ends within an
// hour and has a bounded number of connections.
//
// The client writes requests by hand on plain sockets and can have the kernel discard bodies (MSG_TRUNC, tcp(7)), so that it
// takes little of the CPU it shares with the server.
package bench
