package weir

import (
	"context"
	"io"
	"time"
)

// ObjectInfo describes a stored object.
type ObjectInfo struct {
	Key      string
	Size     int64
	ETag     string // opaque, without quotes; differs after a replacement by other bytes (by equal ones it may stay: S3 makes it of the content)
	Modified time.Time
}

// PutOptions are the conditions of a put. The zero value replaces unconditionally.
type PutOptions struct {
	CreateOnly bool   // If-None-Match: *; Precondition if the key exists
	IfMatch    string // replace only this ETag; Precondition if it differs or the key is gone
}

// Blobs is objects by key. A put is atomic and durable when it returns: a reader sees all of the old object or all of the
// new one. Keys satisfy ValidKey (Invalid otherwise). A missing key is NotFound. Safe for concurrent use.
type Blobs interface {
	// Put stores what r yields until EOF. If r fails nothing is stored.
	Put(ctx context.Context, key string, r io.Reader, opts PutOptions) (ObjectInfo, error)
	// Get reads n bytes from off; n < 0 means to the end. ifMatch, if not "", must be the object's ETag (Precondition).
	// off at or past the end is BadRange, unless off is 0 and the object empty; a range that only ends past it is cut.
	// The caller closes.
	Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, ObjectInfo, error)
	Stat(ctx context.Context, key string) (ObjectInfo, error)
	// Delete removes the key; a missing one is no error.
	Delete(ctx context.Context, key string) error
	// List returns up to limit objects whose keys start with prefix and sort after after, in byte order.
	List(ctx context.Context, prefix, after string, limit int) ([]ObjectInfo, error)
	// Upload starts (id "") or resumes a multipart upload of key.
	Upload(ctx context.Context, key, id string) (Upload, error)
}

// Upload is a multipart upload under way. Parts are numbered from 1 and may arrive in any order; all but the last have
// equal size, at least 5 MiB, as S3 asks. An upload that rests for a week may be gone (NotFound).
type Upload interface {
	ID() string
	// Part stores part n, replacing an earlier one of that number, and returns its ETag.
	Part(ctx context.Context, n int, r io.Reader, size int64) (etag string, err error)
	// Parts lists the stored ones by number: sizes and ETags (the key is empty).
	Parts(ctx context.Context) (map[int]ObjectInfo, error)
	// Complete makes the object of parts 1..n in order and ends the upload.
	Complete(ctx context.Context, n int, opts PutOptions) (ObjectInfo, error)
	Abort(ctx context.Context) error
}

// LocalFiles is what Blobs on a local disk offer besides: the file behind an object, to be read only.
type LocalFiles interface {
	LocalPath(key string) (path string, err error)
}

// FileTaker is what Blobs on a local disk offer besides: a put of a file that is there already, without a copy of its
// bytes where both are on one file system.
type FileTaker interface {
	// TakeFile stores the regular file at path as the object, replacing what is there. The caller never writes to the file
	// again, and removes its name when it has no more use for it.
	TakeFile(ctx context.Context, key, path string) (ObjectInfo, error)
}

// FreeSpace is what Blobs with a known capacity offer besides: bytes that can still be stored.
type FreeSpace interface {
	FreeBytes(ctx context.Context) (int64, error)
}

// Cache is shared bytes by key with a lifetime, and fan-out. It may forget anything at any time; an error means the same
// as a miss. Values are at most 8 MiB (TooLarge).
type Cache interface {
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Set keeps a copy of value for ttl, which is positive (Invalid).
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, keys ...string) error
	// Publish hands message, at most MaxMessageBytes (TooLarge), to whoever is subscribed now; nobody else ever sees it.
	Publish(ctx context.Context, channel string, message []byte) error
	// Subscribe calls f for each message until ctx ends, then returns nil. ready, if not nil, is closed once messages are being received.
	Subscribe(ctx context.Context, channel string, ready chan<- struct{}, f func(message []byte)) error
}

// Message is one entry of a topic.
type Message struct {
	Topic     string
	Key       string // order is kept among messages of one key; at most 1 KiB
	Value     []byte // at most MaxMessageBytes
	Partition int
	Offset    int64
	Time      time.Time
}

// Bus is durable topics with consumer groups. It promises what Kafka does and no more: order per key, cumulative
// acknowledgement, redelivery at any time. Names of topics and groups are 1 to 100 of [A-Za-z0-9._-], a group's without a
// dot (Invalid).
type Bus interface {
	// Publish returns when the messages are durable. All or some of them may be stored if it fails. Too large: TooLarge.
	Publish(ctx context.Context, messages ...Message) error
	// Consume calls handle for each message of the topic, one at a time, as a member of the group, starting where the group
	// stands (a new group at the topic's beginning), and returns nil once ctx has ended. The context of a handler also ends
	// when its message goes to another member. A message is acknowledged after its handler returned nil, and may still come
	// again. An error is retried with growing delay, and the messages behind it on the partition wait; but a message that
	// goes on failing, other than by Unavailable or Timeout, may be set aside, so that they go on. It comes again later, after
	// newer ones of its key, or when an operator asks (weir bus redrive). A consumer therefore applies what is newer than
	// what it knows, whatever came before.
	Consume(ctx context.Context, topic, group string, handle func(context.Context, Message) error) error
}

// Instance is one running member of a service.
type Instance struct {
	Service string            `json:"service"`
	ID      string            `json:"id"`
	Address string            `json:"address"` // host:port
	Meta    map[string]string `json:"meta,omitempty"`
}

// KVPair is a value of the registry's key-value store. Version 0 means the key does not exist.
type KVPair struct {
	Key     string
	Value   []byte
	Version uint64
}

// Registry is who is there, and small shared configuration.
type Registry interface {
	// Register announces the instance (see Instance.Check) with a positive time-to-live (Invalid) and keeps it alive until
	// ctx ends, then withdraws it and returns nil. It replaces an earlier instance of the same service and id, whose end then
	// takes nothing away. A registry that is away is no error: the instance is there as soon as the registry is.
	Register(ctx context.Context, instance Instance, ttl time.Duration) error
	// Watch calls f with the healthy instances of service, sorted by ID, now and after every change, until ctx ends; then
	// it returns nil. Of changes that follow each other closely f may see the result only. A registry that is away is no
	// change: the last set stands until the registry knows better.
	Watch(ctx context.Context, service string, f func([]Instance)) error
	// KV is the pair now; a registry that is away is Unavailable.
	KV(ctx context.Context, key string) (KVPair, error)
	// PutKV writes value, at most 512 KiB (TooLarge), if the key is still at version (Conflict otherwise) and returns the
	// new version.
	PutKV(ctx context.Context, key string, value []byte, version uint64) (uint64, error)
	// WatchKV calls f with the pair now and after every change, as Watch does, and returns nil once ctx has ended. A registry
	// that lost its values may start again from lower versions.
	WatchKV(ctx context.Context, key string, f func(KVPair)) error
}
