package weir

import "time"

// JobState is the state of a job in the ledger.
type JobState string

// Job states. Pending until its plan is stored, Running until every task is done; the other three are final.
const (
	JobPending   JobState = "pending"
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// Job makes one asset of one master. There is at most one job an asset. Its plan makes one revision; if it has to be
// planned anew, for want of the tool the plan was made for, what was done is superseded and the new plan makes the next.
type Job struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	Asset        string    `json:"asset"`
	Master       Master    `json:"master"`
	State        JobState  `json:"state"`
	Reason       string    `json:"reason,omitempty"`     // why it failed, for people
	Plan         []byte    `json:"plan,omitempty"`       // canonical bytes, stored once, never recomputed
	Revision     int       `json:"revision"`             // of the asset, that the plan makes or will make; from 1
	Superseded   int       `json:"superseded,omitempty"` // how many records earlier plans had
	Created      time.Time `json:"created"`
	Updated      time.Time `json:"updated"`
}

// TaskKind is what a task does.
type TaskKind string

// Task kinds. A job starts with one TaskPlan; its result is the plan and the other tasks.
const (
	TaskPlan  TaskKind = "plan"  // probe and plan
	TaskVideo TaskKind = "video" // one chunk, every video rung, one decode
	TaskAudio TaskKind = "audio" // one track, one uninterrupted encode, many chunk objects
	TaskStill TaskKind = "still" // a poster
)

// TaskState is the state of a task in the ledger.
type TaskState string

// Task states. A leased task whose lease passed is claimable again.
const (
	TaskReady  TaskState = "ready"
	TaskLeased TaskState = "leased"
	TaskDone   TaskState = "done"
	TaskFailed TaskState = "failed"
)

// Task is a unit of work that one worker does under one lease.
type Task struct {
	Job      string    `json:"job"`
	N        int       `json:"n"` // 0 is the plan task; the rest as numbered by the plan
	Kind     TaskKind  `json:"kind"`
	Order    int       `json:"order"` // smaller is wanted earlier within its job
	Tool     string    `json:"tool"`  // version of the tool that must do it; "" is any
	Total    int64     `json:"total"` // units of progress: frames (video), samples (audio)
	Progress int64     `json:"progress"`
	State    TaskState `json:"state"`
	Attempt  int       `json:"attempt"` // how many times it was claimed
	Fence    int64     `json:"fence"`   // grows with every claim; a write under an older one is refused
	Worker   string    `json:"worker,omitempty"`
	Lease    time.Time `json:"lease,omitzero"` // until when the worker holds it
}

// Record is what an attempt made that counts: written in the ledger under the fence. A task may have several, numbered
// from 0 without a hole; the last one marks it done.
type Record struct {
	Job  string `json:"job"`
	Task int    `json:"task"`
	Seq  int    `json:"seq"`
	Body []byte `json:"body"` // transcode.Result as JSON
}

// Claim is a task in a worker's hands with the job it belongs to.
type Claim struct {
	Job     Job
	Task    Task
	Records []Record // what earlier attempts already recorded of this task
}
