// Package name gives every object its name. All are short enough for their kinds:
// Tenants, Channels, RetentionPolicies, LegalHolds and DataSubjectRequests have at most 40
// characters.
package name

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// Names of a tenant's objects, one of each in its namespace.
const (
	Serve           = "serve"                    // Deployment, Service, PodDisruptionBudget, route
	Postgres        = "postgres"                 // StatefulSet, Service
	PostgresPrimary = "postgres-rw"              // Service that CloudNativePG makes for the leading pod of Cluster postgres
	ReplicationTLS  = "postgres-replication-tls" // Secret with the certificate by which its pods follow each other
	PostgresConfig  = "postgres-config"          // ConfigMap with pg_hba.conf
	PostgresTLS     = "postgres-tls"             // Secret
	ServeTLS        = "serve-tls"                // Secret
	Keys            = "keys"                     // Secret with the keys for hashes
	StaffBootstrap  = "staff-bootstrap"          // Secret with the first staff account
	Quota           = "switchboard"              // ResourceQuota
	Limits          = "switchboard"              // LimitRange
	RegionDefault   = "region-default"           // RetentionPolicy of what no other bounds
	Anchor          = "anchor"                   // ConfigMap with what the database is known to have held
	Count           = "count"                    // Job that counts the rows before they are erased
	Backup          = "backup"                   // CronJob
	Backups         = "backups"                  // PersistentVolumeClaim
	BackupKey       = "backup-key"               // Secret with the age key of backups
	EmptyBucket     = "empty-bucket"             // Job that empties the object store before a tenant is erased
	EraseDatabase   = "erase-database"           // Job that removes what a tenant has in a provider's database
	ServeState      = "serve-state"              // Service by which the operator asks what the database holds
	Webhooks        = "webhooks"                 // Deployment, NetworkPolicy, PodDisruptionBudget
	Boundary        = "residency"                // ResidencyBoundary, by which the admission policies find it
	Manager         = "switchboard-tenant-manager"
)

// OperatorNamespace is where the operator runs unless told otherwise.
const OperatorNamespace = "switchboard-system"

// Namespace of a tenant that names none.
func Namespace(tenant string) string { return "tenant-" + tenant }

// CA names the Secret with a tenant's certificate authority, in the operator's namespace.
func CA(tenant string) string { return "tenant-" + tenant + "-ca" }

// Connector names a channel's Deployment and Service.
func Connector(channel string) string { return contract.ComponentConnector(channel) }

// Withdraw names the Job that takes a channel's webhook from its provider, and its NetworkPolicy, by the beginning of the Channel's
// uid: at most 58 characters. A Channel of the same name that comes later has another.
func Withdraw(channel, uid string) string {
	return "withdraw-" + channel + "-" + uid[:min(len(uid), 8)]
}

// ConnectorTLS names the Secret with a connector's serving certificate.
func ConnectorTLS(channel string) string { return Connector(channel) + "-tls" }

// Retain names a policy's CronJob: at most 47 characters, where 52 are allowed.
func Retain(policy string) string { return "retain-" + policy }

// Release names the run that a policy gets when a hold has gone, by the hash of the
// hold's uid: at most 58 characters, where 63 are allowed.
func Release(policy, hash string) string { return Retain(policy) + "-" + hash }

// Subject names the Job of one attempt at a request by the hash of what it does: at
// most 57 characters.
func Subject(request, hash string) string { return "subject-" + request + "-" + hash }

// Download names the Secret with the token of a request's archive.
func Download(request string) string { return request + "-download" }

// Filed names the DataSubjectRequest that a privacy desk filed, and the Secret of its person, by the id that the desk gave
// it: a UUID.
func Filed(id string) string { return "desk-" + strings.ReplaceAll(id, "-", "") }

// Migrate names a migration Job by the hash of what it brings about.
func Migrate(hash string) string { return "migrate-" + hash }

// Replay names the Job that brings a database that was put back up to what is known, and
// the ConfigMap with what it carries out again.
func Replay(epoch int32) string { return fmt.Sprintf("replay-%d", epoch) }

// Restore names the Job that puts a backup back, by the hash of what asked for it.
func Restore(hash string) string { return "restore-" + hash }

// Export names the Job that takes a tenant out, and the ConfigMap and NetworkPolicy of it, by the
// hash of what was asked for.
func Export(hash string) string { return "export-" + hash }

// ExportObject names the file in its bucket: of a later Tenant of the name, another.
func ExportObject(tenant, uid string) string { return Certificate(tenant, uid) + ".tar.gz.age" }

// Bucket names the Job that checks a tenant's bucket, by the hash of what it checks.
func Bucket(hash string) string { return "bucket-" + hash }

// CheckDatabase names the Job that asks a provider's server, by the hash of what it asks.
func CheckDatabase(hash string) string { return "check-database-" + hash }

// Probe names the Job that probes a tenant's network, by the hash of what it probes.
func Probe(hash string) string { return "probe-" + hash }

// Admin is the component of the database's superuser.
const Admin = "admin"

// Credentials names the Secret with version N of a component's login.
func Credentials(component string, version int) string {
	return fmt.Sprintf("database-%s-v%d", component, version)
}

// ParseCredentials is the inverse of Credentials.
func ParseCredentials(secret string) (component string, version int, ok bool) {
	rest, found := strings.CutPrefix(secret, "database-")
	i := strings.LastIndex(rest, "-v")
	if !found || i <= 0 {
		return "", 0, false
	}
	version, err := strconv.Atoi(rest[i+2:])
	if err != nil || version < 1 {
		return "", 0, false
	}
	return rest[:i], version, true
}

// DatabaseIn names the StatefulSet of a database that was moved to a region, and while it is copied there its Service: at
// most 49 characters, so that the names and labels of its pods fit.
func DatabaseIn(region string) string { return Postgres + "-" + region }

// DatabaseClaim names the claim of the volume of a database's StatefulSet.
func DatabaseClaim(database string) string { return "data-" + database + "-0" }

// Names of the Jobs that move a database, by the StatefulSet that it becomes.
func Copy(database string) string    { return "copy-" + database }
func CutOver(database string) string { return "cutover-" + database }
func Reopen(database string) string  { return "reopen-" + database }

// MoveCertificate names the ErasureCertificate about what a Tenant left behind when it switched to another Region.
func MoveCertificate(tenant, uid string, switched time.Time) string {
	return Certificate(tenant, uid) + "-moved-" + switched.UTC().Format("20060102-150405")
}

// Host is the name by which a Service is reached in the cluster.
func Host(service, namespace string) string { return service + "." + namespace + ".svc" }

// Certificate names the ErasureCertificate of a Tenant: a later one of the same name has its own.
func Certificate(tenant, uid string) string { return tenant + "-" + uid[:min(len(uid), 8)] }
