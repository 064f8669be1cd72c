# METADATA
# title: Namespaces say whom to write to
# custom: {severity: medium, resource_types: [Kubernetes::Core::Namespace]}
package compliance.kubernetes.owner

deny contains {"msg": "no owner with an address", "path": "/configuration/metadata/annotations"} if {
	count([v | some k, v in input.resource.configuration.metadata.annotations; endswith(k, "/owner"); contains(v, "@")]) == 0
}
