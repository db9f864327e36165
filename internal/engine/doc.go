// Package engine opens the engine behind each port: one explicit switch on the scheme of a URL, no registry of drivers.
// It is the only importer of adapters, so no plane or service can depend on one.
package engine
