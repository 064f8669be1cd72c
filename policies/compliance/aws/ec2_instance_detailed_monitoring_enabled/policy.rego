# METADATA
# title: EC2 instances are monitored in detail
# description: >-
#   Basic monitoring reports every five minutes, too seldom to see a short outage.
# related_resources: [https://docs.aws.amazon.com/config/latest/developerguide/ec2-instance-detailed-monitoring-enabled.html]
# custom:
#   severity: low
#   resource_types: [AWS::EC2::Instance]
#   requires: [/configuration/monitoring/state]
#   controls: {aws-config: [ec2-instance-detailed-monitoring-enabled]}
#   remediation: >-
#     Turn on detailed monitoring for the instance.
package compliance.aws.ec2_instance_detailed_monitoring_enabled

deny contains {"msg": $"monitoring of {input.resource.resourceId} is {input.resource.configuration.monitoring.state}", "path": "/configuration/monitoring/state"} if {
	input.resource.configuration.monitoring.state != "enabled"
}
