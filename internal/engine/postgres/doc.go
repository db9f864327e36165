// Package postgres keeps the stores in PostgreSQL, for processes that share them: the job ledger, assets, titles and the
// outbox, in the same tables and values as the file of package embed. It holds no state of its own: what a method returned
// without an error is committed on the server, and any process sees it.
//
// Every change is one transaction at READ COMMITTED that first locks the row that decides it: the job, then tasks of that
// job, or the asset, or the title. Whoever comes second waits there and then sees what the first one did. A fact is put
// while that row is locked, so the facts of one subject have their places in the outbox in the order of the commits.
//
// A transaction that the server ended, or that was cut before its COMMIT was sent, is run again. If the connection breaks
// during COMMIT nobody knows the outcome; the change is then run again in a mode where it recognises its own effect.
package postgres
