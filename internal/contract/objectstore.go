package contract

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

// Why a store did not do what it was asked: ObjectStoreError.Class, in status and metrics.
const (
	StoreUnreachable = "Unreachable" // no connection, no TLS, or no answer in time
	StoreDenied      = "Denied"      // the credentials are not taken, or don't suffice
	StoreNoBucket    = "NoBucket"
	StoreMisplaced   = "Misplaced"  // the bucket is in another location than the register says
	StoreVersioned   = "Versioned"  // the bucket keeps what is deleted
	StoreFailing     = "Failing"    // it answered that it can't, or nothing that can be understood
	StoreUnreadable  = "Unreadable" // the credentials or the settings here can't be read
)
