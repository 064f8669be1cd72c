# METADATA
# title: Recording of DNS queries was removed
# description: >-
#   Resolver query logs show which names instances look up, command servers among them. Deleting the
#   configuration, or taking a network out of it, blinds that view.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1562.008]}
#   remediation: >-
#     Create the configuration again and associate the networks.
package alarms.aws.dns_query_logging_deleted

alarm contains {"msg": $"{input.event.actor.id} removed the recording of DNS queries (T1562.008)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	input.event.action in {"route53resolver:DeleteResolverQueryLogConfig", "route53resolver:DisassociateResolverQueryLogConfig"}
}
