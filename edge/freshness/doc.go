// Package freshness decides what a shared HTTP cache may do: whether a response may be stored, for which requests it may
// be used again, how it is validated, and what becomes of it after (RFC 9111, with 5861, 8246, 9211 and 9213). It is pure:
// no I/O, no locks, no clock; the time is an argument. It keeps nothing, and changes no header it is given unless it says so.
//
// Invariant: where a field is malformed or contradictory, the answer is the one that reuses less.
package freshness
