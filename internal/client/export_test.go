package client

// ReadEvents reads a text/event-stream.
var ReadEvents = readEvents
