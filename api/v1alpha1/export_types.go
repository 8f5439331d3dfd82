package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Export asks for a tenant to be taken out as a file before its data is erased. The file can be read by its recipient alone.
type Export struct {
	// recipient is the age public key that the file is encrypted to; age-keygen prints one. Whoever has the private half has the
	// tenant's data. No default. Example: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudzmv8s9skgpha.
	// +required
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="self.matches('^age1[0-9a-z]+$')",message="use an age public key, as age-keygen prints it: age1 and lower-case letters and digits"
	Recipient string `json:"recipient"`
	// objectStore is where the file is put.
	// +required
	ObjectStore ExportStore `json:"objectStore"`
}

// ExportStore is a bucket of an S3-compatible store.
type ExportStore struct {
	// endpoint is an https origin. No default. Example: https://s3.eu-central-1.example.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",message="use an https origin without a path, as in https://s3.eu-central-1.example"
	Endpoint string `json:"endpoint"`
	// location is where the store must say that the bucket is; another one is refused. No default. Example: eu-central-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$')",message="use the store's own word for it, as in eu-central-1"
	Location string `json:"location"`
	// bucket exists already. No default. Example: handover.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$')",message="use lower-case letters, digits, hyphens and dots"
	Bucket string `json:"bucket"`
	// prefix of the file's name in it. Default: none. Example: hotels.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$')",message="use words of letters, digits, dots, hyphens and underscores, with a slash between them"
	Prefix string `json:"prefix,omitempty"`
	// credentialsSecretRef names a Secret in the tenant's namespace with the keys accessKeyID and secretAccessKey, and sessionToken
	// where there is one. They must let it write, and read back what it wrote.
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`
	// caBundle is PEM: the authorities that may have signed the store's certificate, instead of the public ones.
	// Default: the public authorities.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
	// egress is where the store is reached, as the tenant's network policies are to let it. Default: nowhere.
	// +optional
	Egress *Egress `json:"egress,omitempty"`
}

// Exported tells of the file that a tenant was taken out as.
type Exported struct {
	// object is its name in the bucket.
	// +required
	// +kubebuilder:validation:MaxLength=512
	Object string `json:"object"`
	// endpoint of the store.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Endpoint string `json:"endpoint"`
	// bucket in it.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Bucket string `json:"bucket"`
	// recipient that it is encrypted to.
	// +required
	// +kubebuilder:validation:MaxLength=4096
	Recipient string `json:"recipient"`
	// sha256 of the file in hex, as it was read back from the store.
	// +required
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`
	// bytes of it.
	// +required
	Bytes int64 `json:"bytes"`
	// snapshotAt is the instant that it shows, in UTC.
	// +required
	SnapshotAt metav1.Time `json:"snapshotAt"`
	// sequence of the newest receipt in it; 0 for none.
	// +required
	Sequence int64 `json:"sequence"`
	// counts of rows by category.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Counts []CategoryCount `json:"counts,omitempty"`
}
