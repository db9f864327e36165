// Package embed is every port of the contract in one process over one data folder: objects are files, stores and the bus
// are SQLite, the cache and the registry are memory. It is what a laptop runs and what every service is tested on.
//
// A [Folder] is owned by one process at a time, so uniqueness and compare-and-swap need no locks on disk: they are made
// in memory, and what a crash leaves behind is whole or is removed at the next start. Nothing here promises more than S3,
// Redis, Kafka and Consul keep; the suites in enginetest say what that is.
package embed
