# METADATA
# title: Redshift clusters are not reachable from the internet
# description: >-
#   A publicly accessible cluster has an address outside the network, and only its security group
#   stands before it.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/redshift-cluster-public-access-check.html]
# custom:
#   severity: critical
#   resource_types: [AWS::Redshift::Cluster]
#   requires: [/configuration/publiclyAccessible]
#   controls: {aws-config: [redshift-cluster-public-access-check]}
#   remediation: >-
#     Modify the cluster to be private.
package compliance.aws.redshift_cluster_public_access_check

deny contains {"msg": $"cluster {input.resource.resourceId} is publicly accessible", "path": "/configuration/publiclyAccessible"} if {
	input.resource.configuration.publiclyAccessible
}
