package contract

import "time"

// ObjectStore says where a tenant's objects are: EnvObjectStore as JSON. The credentials
// are in DirObjectStore.
type ObjectStore struct {
	Name     string `json:"name"`     // in the Region's register
	Endpoint string `json:"endpoint"` // an https origin, without a trailing slash
	// Location is where the register says that the store keeps its objects, in the
	// store's own words: eu-central-1. A bucket elsewhere is refused.
	Location string `json:"location"`
	Bucket   string `json:"bucket"`
	Prefix   string `json:"prefix"` // of every key, with a trailing slash; empty: the bucket is the tenant's own
	CABundle string `json:"caBundle,omitempty"`
}

// FilesResult tells of a run's work on files that are objects of the tenant's store.
type FilesResult struct {
	// Removed counts objects that the store has confirmed to be gone, in this run; Pending those
	// that it still has to, by now unreadable: their keys are gone. Nothing is in both.
	Removed int64 `json:"removed,omitempty"`
	Pending int64 `json:"pending,omitempty"`
	// Since is when the oldest of Pending began to wait.
	Since *time.Time `json:"since,omitempty"`
	// Unknown counts objects that no file named, left by uploads that came to nothing; they are among
	// Removed and Pending. Missing counts files whose object the store does not have.
	Unknown int64 `json:"unknown,omitempty"`
	Missing int64 `json:"missing,omitempty"`
	// Class says why the store did not do all that it was asked (a Store…); empty when it did.
	Class string `json:"class,omitempty"`
}

// BucketResult is the outcome of `instance bucket`.
type BucketResult struct {
	// Class is empty when the bucket may be used, and, with --empty, nothing of the tenant's is
	// left in it; else why not (a Store…), and Message says it in a sentence.
	Class   string `json:"class,omitempty"`
	Message string `json:"message,omitempty"`
	Removed int64  `json:"removed,omitempty"` // objects, confirmed by the store; with --empty
}

// Why a store did not do what it was asked: ObjectStoreError.Class, in status and metrics.
const (
	StoreUnreachable = "Unreachable" // no connection, no TLS, or no answer in time
	StoreDenied      = "Denied"      // the credentials are not taken, or don't suffice
	StoreNoBucket    = "NoBucket"
	StoreMisplaced   = "Misplaced"     // the bucket is in another location than the register says
	StoreVersioned   = "Versioned"     // the bucket keeps what is deleted
	StoreFailing     = "Failing"       // it answered that it can't, or nothing that can be understood
	StoreNone        = "NotConfigured" // objects are there, and the tenant has no store
	StoreUnreadable  = "Unreadable"    // the credentials or the settings here can't be read
)
