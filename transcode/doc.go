// Package transcode turns a master into an asset: it plans the work, keeps it in a job ledger, has workers do it under
// leases and fences, and lists what is finished in the asset's head.
//
// Decisions are pure functions (the plan of a probe, the head of a plan and its records); processes and objects are
// touched by thin code around them. The ledger is the queue's truth: bus messages only wake. Delivery is at least once,
// effects are once: only a record written under the current fence makes an object count.
package transcode
