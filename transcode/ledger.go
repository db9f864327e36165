package transcode

import (
	"context"
	"time"

	weir "github.com/weirstream/weir"
)

// ClaimRequest says who asks for work and what it can do.
type ClaimRequest struct {
	Worker  string    // id of the worker process
	Tools   []string  // tool versions it has; a task that names another is not given to it
	Masters []string  // ids of masters it holds; their tasks are preferred
	Now     time.Time // leases that ended before are claimable
	Until   time.Time // the new lease's end
}

// Claims is the worker's side of the job ledger. Every method but Claim refuses with Conflict when the claim's fence is no
// longer the task's, its lease was taken over, or the job is final: the worker then drops the work. All are durable when
// they return. After Unavailable, Timeout or the end of ctx a change may have been made or not, never in part; a call that is
// then made again may be refused with Conflict because it was.
type Claims interface {
	// Claim leases the best claimable task: of jobs without a plan first, so that a short upload behind a long one is
	// examined soon; then of the oldest job, held masters before others, then by Order. A task that another is claiming or
	// writing to at this moment may be passed by. Its fence and attempt grow by one.
	// NotFound means there is none.
	Claim(ctx context.Context, r ClaimRequest) (weir.Claim, error)
	// Heartbeat extends the lease and notes progress.
	Heartbeat(ctx context.Context, c weir.Claim, progress int64, until time.Time) error
	// Planned stores the plan and its tasks and ends the plan task, in one transaction; the job is Running after it.
	Planned(ctx context.Context, c weir.Claim, plan []byte, tasks []weir.Task) error
	// Record stores a record; final marks the task done. A record that exists already with this Seq is Conflict.
	Record(ctx context.Context, c weir.Claim, r weir.Record, final bool) error
	// Release gives the task back unharmed (a graceful stop): claimable at once, the attempt not counted.
	Release(ctx context.Context, c weir.Claim) error
	// Fail ends the attempt. With final, or after maxAttempts claims, the job fails with reason and its fact goes out.
	Fail(ctx context.Context, c weir.Claim, reason string, final bool, maxAttempts int) error
}

// Jobs is the planner's, assembler's and sweeper's side of the job ledger.
type Jobs interface {
	// Create stores a pending job of the first revision with its plan task. A second job of the same asset changes nothing.
	Create(ctx context.Context, job weir.Job) error
	// Job is the asset's job and its tasks in order of N; NotFound if there is none.
	Job(ctx context.Context, asset string) (weir.Job, []weir.Task, error)
	// Records are all records of a job's present plan, by task and seq.
	Records(ctx context.Context, job string) ([]weir.Record, error)
	// Unassembled lists running jobs that have more records than Assembled was told of.
	Unassembled(ctx context.Context, limit int) ([]weir.Job, error)
	// Assembled notes that the head of the job's revision now holds this many records of its plan, moves the job to Done
	// when done is set, and puts the facts in the outbox, in one transaction. It does nothing to a job that is final
	// already or was planned anew, and a smaller count than the stored one is ignored together with its facts.
	Assembled(ctx context.Context, job weir.Job, records int, done bool, facts ...weir.Fact) error
	// Cancel ends the asset's job unless it is final; leases become void. No job is no error.
	Cancel(ctx context.Context, asset string, now time.Time) error
	// Claimable counts the tasks that could be claimed now: what a sweeper announces.
	Claimable(ctx context.Context, now time.Time) (int, error)
	// Replan notes that there are workers with these tools now, then takes back the plan of every running job with a task
	// that could be claimed, but only by a tool that none was noted with since before. Such a job is Pending again, at
	// its next revision, with an unclaimed plan task and no other, and no records; claims of what it had are void. It
	// returns how many jobs these were.
	Replan(ctx context.Context, tools []string, now, before time.Time) (int, error)
}
