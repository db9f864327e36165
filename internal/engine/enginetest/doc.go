// Package enginetest is the specification of each port as a suite of tests, run on every engine. An adapter is done when
// its suite passes, and a difference found between two engines becomes a test here first.
//
// A suite asks no more than the weakest real engine keeps (S3 and MinIO, Redis, Kafka, Consul), so that code that works
// on a laptop works there. What one engine does besides is tested beside that engine.
package enginetest
