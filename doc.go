// Package weir is the contract of the Weir streaming platform: the words, the shapes and the ports that every other
// package agrees on. It does no input or output and imports the standard library only, so it can be read in one sitting
// and compiled anywhere.
//
// # The path of a master
//
// A content team uploads a [Master]. Its bytes become an object in [Blobs] and the fact that it is there goes out on the
// [Bus]. A planner probes it and writes a plan, once, into the job ledger; workers claim the plan's [Task]s under a lease
// and a fence, encode chunks of it and write each [Chunk] as one immutable object with an index [Page] beside it. An
// assembler lists finished chunks in the [Head] of the asset's [Revision], one small object replaced with If-Match.
//
// # The path of a segment
//
// A player holds a [Ticket], which is a path prefix of every URL it asks. The edge verifies the ticket without a network
// call, reads the head (at most once a second while the asset grows) and its pages, and answers manifests and segments by
// arithmetic on them. No manifest is stored. Delivering a segment never calls the control plane.
//
// # What holds everywhere
//
// The planes meet in three things only: objects (bytes), the bus (facts) and the signed ticket (rights). Listed bytes
// never change within a revision. Delivery of messages is at least once, effects are once, because only a done record
// written under the current fence says which objects count; every other object is garbage.
package weir
