package weir

import "time"

// Master is an uploaded file, immutable, stored under MasterKey(ID).
type Master struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	Name         string    `json:"name"`   // the file's name as the uploader gave it; display only
	Size         int64     `json:"size"`   // bytes
	SHA256       string    `json:"sha256"` // 64 lower-case hex digits, computed by the server while storing
	Created      time.Time `json:"created"`
}

// AssetState is where an asset is on its way to being playable.
type AssetState string

// Asset states. Uploading -> Received -> (the job decides) ; Deleted is final.
const (
	AssetUploading AssetState = "uploading" // bytes are still coming
	AssetReceived  AssetState = "received"  // the master is stored and its fact is on its way
	AssetFailed    AssetState = "failed"    // the upload was refused (wrong sha256, for example)
	AssetDeleted   AssetState = "deleted"   // 410 at the edge; objects are collected after a grace time
)

// Asset is one master encoded and packaged, or about to be. Its id is globally unique.
type Asset struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	Title        string     `json:"title"` // the name the uploader proposed
	State        AssetState `json:"state"`
	Reason       string     `json:"reason,omitempty"` // why it failed, for people
	Master       Master     `json:"master"`
	Created      time.Time  `json:"created"`
	Deleted      time.Time  `json:"deleted,omitzero"`
}
