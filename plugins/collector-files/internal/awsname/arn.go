package awsname

import (
	"bytes"
)

// Resource is a resource as far as it can be told. Its parts share the memory of what they were told
// from; an unknown one is empty. Either ID or Name is set.
type Resource struct {
	Type    string
	ID      []byte
	Name    []byte
	Account []byte
	Region  []byte
}

// form says which part of an ARN is what.
type form uint8

const (
	// byFirst: the id is the first part after the kind.
	byFirst form = iota
	// byRest: the id is all after the kind.
	byRest
	// byLast: the id is the last part.
	byLast
	// byName: the id is unknown; the last part is the name.
	byName
	// byARN: the id is the ARN; the last part is the name.
	byARN
	// byARNFirst: the id is the ARN; the first part after the kind is the name.
	byARNFirst
)

type kind struct {
	typ  string
	form form
}

// kinds are by "service/kind" of an ARN. Those of EC2 are in ec2Kinds.
var kinds = map[string]kind{
	"acm/certificate":                           {"AWS::ACM::Certificate", byARN},
	"athena/workgroup":                          {"AWS::Athena::WorkGroup", byFirst},
	"autoscaling/autoScalingGroup":              {"AWS::AutoScaling::AutoScalingGroup", byARN},
	"autoscaling/launchConfiguration":           {"AWS::AutoScaling::LaunchConfiguration", byARN},
	"autoscaling/scalingPolicy":                 {"AWS::AutoScaling::ScalingPolicy", byARN},
	"autoscaling/scheduledUpdateGroupAction":    {"AWS::AutoScaling::ScheduledAction", byARN},
	"backup/backup-plan":                        {"AWS::Backup::BackupPlan", byFirst},
	"backup/backup-vault":                       {"AWS::Backup::BackupVault", byFirst},
	"backup/recovery-point":                     {"AWS::Backup::RecoveryPoint", byARN},
	"batch/compute-environment":                 {"AWS::Batch::ComputeEnvironment", byARN},
	"batch/job-queue":                           {"AWS::Batch::JobQueue", byARN},
	"cloudformation/stack":                      {"AWS::CloudFormation::Stack", byARNFirst},
	"cloudfront/distribution":                   {"AWS::CloudFront::Distribution", byFirst},
	"cloudfront/streaming-distribution":         {"AWS::CloudFront::StreamingDistribution", byFirst},
	"cloudtrail/trail":                          {"AWS::CloudTrail::Trail", byFirst},
	"cloudwatch/alarm":                          {"AWS::CloudWatch::Alarm", byRest},
	"codebuild/project":                         {"AWS::CodeBuild::Project", byARN},
	"codedeploy/application":                    {"AWS::CodeDeploy::Application", byFirst},
	"config/config-rule":                        {"AWS::Config::ConfigRule", byFirst},
	"dynamodb/table":                            {"AWS::DynamoDB::Table", byFirst},
	"ecr/repository":                            {"AWS::ECR::Repository", byRest},
	"ecr-public/repository":                     {"AWS::ECR::PublicRepository", byRest},
	"ecs/cluster":                               {"AWS::ECS::Cluster", byARN},
	"ecs/service":                               {"AWS::ECS::Service", byARN},
	"ecs/task-definition":                       {"AWS::ECS::TaskDefinition", byRest},
	"eks/cluster":                               {"AWS::EKS::Cluster", byFirst},
	"eks/fargateprofile":                        {"AWS::EKS::FargateProfile", byARN},
	"eks/nodegroup":                             {"AWS::EKS::Nodegroup", byARN},
	"elasticache/cluster":                       {"AWS::ElastiCache::CacheCluster", byFirst},
	"elasticache/replicationgroup":              {"AWS::ElastiCache::ReplicationGroup", byFirst},
	"elasticbeanstalk/application":              {"AWS::ElasticBeanstalk::Application", byARN},
	"elasticbeanstalk/applicationversion":       {"AWS::ElasticBeanstalk::ApplicationVersion", byARN},
	"elasticbeanstalk/environment":              {"AWS::ElasticBeanstalk::Environment", byName},
	"elasticfilesystem/access-point":            {"AWS::EFS::AccessPoint", byFirst},
	"elasticfilesystem/file-system":             {"AWS::EFS::FileSystem", byFirst},
	"elasticloadbalancing/listener":             {"AWS::ElasticLoadBalancingV2::Listener", byARN},
	"elasticloadbalancing/targetgroup":          {"AWS::ElasticLoadBalancingV2::TargetGroup", byARNFirst},
	"elasticmapreduce/cluster":                  {"AWS::EMR::Cluster", byFirst},
	"events/event-bus":                          {"AWS::Events::EventBus", byFirst},
	"events/rule":                               {"AWS::Events::Rule", byARN},
	"firehose/deliverystream":                   {"AWS::KinesisFirehose::DeliveryStream", byFirst},
	"glue/crawler":                              {"AWS::Glue::Crawler", byFirst},
	"glue/database":                             {"AWS::Glue::Database", byFirst},
	"glue/job":                                  {"AWS::Glue::Job", byFirst},
	"glue/mlTransform":                          {"AWS::Glue::MLTransform", byFirst},
	"glue/table":                                {"AWS::Glue::Table", byLast},
	"guardduty/detector":                        {"AWS::GuardDuty::Detector", byFirst},
	"iam/group":                                 {"AWS::IAM::Group", byName},
	"iam/instance-profile":                      {"AWS::IAM::InstanceProfile", byName},
	"iam/mfa":                                   {"AWS::IAM::VirtualMFADevice", byARN},
	"iam/oidc-provider":                         {"AWS::IAM::OIDCProvider", byARN},
	"iam/policy":                                {"AWS::IAM::Policy", byName},
	"iam/role":                                  {"AWS::IAM::Role", byName},
	"iam/saml-provider":                         {"AWS::IAM::SAMLProvider", byARN},
	"iam/server-certificate":                    {"AWS::IAM::ServerCertificate", byName},
	"iam/user":                                  {"AWS::IAM::User", byName},
	"kinesis/stream":                            {"AWS::Kinesis::Stream", byFirst},
	"kms/key":                                   {"AWS::KMS::Key", byFirst},
	"lambda/code-signing-config":                {"AWS::Lambda::CodeSigningConfig", byARN},
	"lambda/event-source-mapping":               {"AWS::Lambda::EventSourceMapping", byFirst},
	"lambda/function":                           {"AWS::Lambda::Function", byFirst},
	"lambda/layer":                              {"AWS::Lambda::LayerVersion", byARNFirst},
	"network-firewall/firewall":                 {"AWS::NetworkFirewall::Firewall", byName},
	"network-firewall/firewall-policy":          {"AWS::NetworkFirewall::FirewallPolicy", byName},
	"network-firewall/stateful-rulegroup":       {"AWS::NetworkFirewall::RuleGroup", byName},
	"network-firewall/stateless-rulegroup":      {"AWS::NetworkFirewall::RuleGroup", byName},
	"organizations/account":                     {"AWS::Organizations::Account", byLast},
	"rds/cluster":                               {"AWS::RDS::DBCluster", byName},
	"rds/cluster-pg":                            {"AWS::RDS::DBClusterParameterGroup", byRest},
	"rds/cluster-snapshot":                      {"AWS::RDS::DBClusterSnapshot", byRest},
	"rds/db":                                    {"AWS::RDS::DBInstance", byName},
	"rds/es":                                    {"AWS::RDS::EventSubscription", byRest},
	"rds/global-cluster":                        {"AWS::RDS::GlobalCluster", byRest},
	"rds/og":                                    {"AWS::RDS::OptionGroup", byRest},
	"rds/pg":                                    {"AWS::RDS::DBParameterGroup", byRest},
	"rds/secgrp":                                {"AWS::RDS::DBSecurityGroup", byRest},
	"rds/snapshot":                              {"AWS::RDS::DBSnapshot", byRest},
	"rds/subgrp":                                {"AWS::RDS::DBSubnetGroup", byRest},
	"redshift/cluster":                          {"AWS::Redshift::Cluster", byFirst},
	"redshift/eventsubscription":                {"AWS::Redshift::EventSubscription", byFirst},
	"redshift/parametergroup":                   {"AWS::Redshift::ClusterParameterGroup", byFirst},
	"redshift/securitygroup":                    {"AWS::Redshift::ClusterSecurityGroup", byFirst},
	"redshift/snapshot":                         {"AWS::Redshift::ClusterSnapshot", byLast},
	"redshift/subnetgroup":                      {"AWS::Redshift::ClusterSubnetGroup", byFirst},
	"rolesanywhere/profile":                     {"AWS::RolesAnywhere::Profile", byFirst},
	"rolesanywhere/trust-anchor":                {"AWS::RolesAnywhere::TrustAnchor", byFirst},
	"route53/healthcheck":                       {"AWS::Route53::HealthCheck", byFirst},
	"route53/hostedzone":                        {"AWS::Route53::HostedZone", byFirst},
	"route53resolver/resolver-query-log-config": {"AWS::Route53Resolver::ResolverQueryLoggingConfig", byFirst},
	"route53resolver/resolver-rule":             {"AWS::Route53Resolver::ResolverRule", byFirst},
	"sagemaker/domain":                          {"AWS::SageMaker::Domain", byFirst},
	"sagemaker/endpoint-config":                 {"AWS::SageMaker::EndpointConfig", byARN},
	"sagemaker/model":                           {"AWS::SageMaker::Model", byARN},
	"sagemaker/notebook-instance":               {"AWS::SageMaker::NotebookInstance", byARN},
	"shield/protection":                         {"AWS::Shield::Protection", byLast},
	"ssm/document":                              {"AWS::SSM::Document", byFirst},
	"ssm/managed-instance":                      {"AWS::SSM::ManagedInstanceInventory", byFirst},
	"states/activity":                           {"AWS::StepFunctions::Activity", byARN},
	"states/stateMachine":                       {"AWS::StepFunctions::StateMachine", byARN},
	"sts/assumed-role":                          {"AWS::IAM::Role", byName},
	"waf/webacl":                                {"AWS::WAF::WebACL", byFirst},
	"waf-regional/webacl":                       {"AWS::WAFRegional::WebACL", byFirst},
	"workspaces/workspace":                      {"AWS::WorkSpaces::Workspace", byFirst},
}

// ec2Kinds are the kinds of EC2's ARNs; the id follows.
var ec2Kinds = map[string]string{
	"capacity-reservation":         "AWS::EC2::CapacityReservation",
	"client-vpn-endpoint":          "AWS::EC2::ClientVpnEndpoint",
	"customer-gateway":             "AWS::EC2::CustomerGateway",
	"dedicated-host":               "AWS::EC2::Host",
	"dhcp-options":                 "AWS::EC2::DHCPOptions",
	"egress-only-internet-gateway": "AWS::EC2::EgressOnlyInternetGateway",
	"eip-allocation":               "AWS::EC2::EIP",
	"elastic-ip":                   "AWS::EC2::EIP",
	"flow-log":                     "AWS::EC2::FlowLog",
	"image":                        "AWS::EC2::Image",
	"instance":                     "AWS::EC2::Instance",
	"internet-gateway":             "AWS::EC2::InternetGateway",
	"key-pair":                     "AWS::EC2::KeyPair",
	"launch-template":              "AWS::EC2::LaunchTemplate",
	"natgateway":                   "AWS::EC2::NatGateway",
	"network-acl":                  "AWS::EC2::NetworkAcl",
	"network-interface":            "AWS::EC2::NetworkInterface",
	"prefix-list":                  "AWS::EC2::PrefixList",
	"route-table":                  "AWS::EC2::RouteTable",
	"security-group":               "AWS::EC2::SecurityGroup",
	"security-group-rule":          "AWS::EC2::SecurityGroupRule",
	"snapshot":                     "AWS::EC2::Snapshot",
	"subnet":                       "AWS::EC2::Subnet",
	"transit-gateway":              "AWS::EC2::TransitGateway",
	"transit-gateway-attachment":   "AWS::EC2::TransitGatewayAttachment",
	"transit-gateway-route-table":  "AWS::EC2::TransitGatewayRouteTable",
	"volume":                       "AWS::EC2::Volume",
	"vpc":                          "AWS::EC2::VPC",
	"vpc-endpoint":                 "AWS::EC2::VPCEndpoint",
	"vpc-endpoint-service":         "AWS::EC2::VPCEndpointService",
	"vpc-flow-log":                 "AWS::EC2::FlowLog",
	"vpc-peering-connection":       "AWS::EC2::VPCPeeringConnection",
	"vpn-connection":               "AWS::EC2::VPNConnection",
	"vpn-gateway":                  "AWS::EC2::VPNGateway",
}

// IsARN reports whether text is an ARN of one resource. A pattern of several is none.
func IsARN(text []byte) bool {
	return len(text) > 12 && text[0] == 'a' && text[1] == 'r' && text[2] == 'n' && text[3] == ':' && len(text) <= 2048 &&
		bytes.Count(text, []byte{':'}) >= 5 && !bytes.ContainsAny(text, "*?\"\\ \n")
}

// FromARN names the resource of an ARN. It reports false where the ARN stands for no resource, such as
// a session; a resource of a kind that is not known has its ARN as id and no type.
func FromARN(arn []byte) (Resource, bool) {
	// arn:partition:service:region:account:resource
	var part [4][]byte
	rest := arn[len("arn:"):]
	for i := range part {
		n := bytes.IndexByte(rest, ':')
		if n < 0 {
			return Resource{}, false
		}
		part[i], rest = rest[:n], rest[n+1:]
	}
	partition, service := part[0], part[1]
	r := Resource{Region: part[2], Account: part[3]}
	if len(service) == 0 || len(rest) == 0 {
		return Resource{}, false
	}
	if ok, done := r.special(arn, partition, service, rest); done {
		return r, ok && (len(r.ID) > 0 || len(r.Name) > 0)
	}
	n := bytes.IndexAny(rest, ":/")
	if n < 0 || n == len(rest)-1 {
		r.ID = arn
		return r, true
	}
	name, tail := rest[:n], rest[n+1:]
	if string(service) == "ec2" {
		r.Type = ec2Kinds[string(name)]
		if r.ID = tail; r.Type == "" {
			r.ID = arn
		}
		return r, true
	}
	var key [64]byte
	k, known := kinds[string(append(append(append(key[:0], service...), '/'), name...))]
	r.Type = k.typ
	first, last := firstPart(tail), lastPart(tail)
	switch {
	case !known:
		r.ID = arn
	case k.form == byFirst:
		r.ID = first
	case k.form == byRest:
		r.ID = tail
	case k.form == byLast:
		r.ID = last
	case k.form == byName && r.Type == "AWS::IAM::Role" && string(service) == "sts":
		r.Name = first
	case k.form == byName:
		r.Name = last
	case k.form == byARN:
		r.ID, r.Name = arn, last
	default:
		r.ID, r.Name = arn, first
	}
	return r, len(r.ID) > 0 || len(r.Name) > 0
}

// special names resources whose ARNs follow no pattern. done is false for all others.
func (r *Resource) special(arn, partition, service, rest []byte) (ok, done bool) {
	switch string(service) {
	case "s3":
		return r.s3(rest), true
	case "sns":
		// A subscription's ARN is its topic's with one more part.
		n := bytes.IndexByte(rest, ':')
		if n < 0 {
			n = len(rest)
		}
		r.Type, r.ID, r.Name = "AWS::SNS::Topic", arn[:len(arn)-len(rest)+n], rest[:n]
		return true, true
	case "sqs":
		r.Type, r.Name = "AWS::SQS::Queue", rest
		if string(partition) == "aws" && len(r.Region) > 0 {
			r.ID = []byte("https://sqs." + string(r.Region) + ".amazonaws.com/" + string(r.Account) + "/" + string(rest))
		}
		return true, true
	case "codepipeline":
		r.Type, r.ID = "AWS::CodePipeline::Pipeline", firstPart(rest)
		return true, true
	case "iam", "sts":
		if string(rest) == "root" {
			r.Type, r.ID = "AWS::::Account", r.Account
			return len(r.Account) > 0, true
		}
		// A session of a federated user is no resource.
		return false, bytes.HasPrefix(rest, []byte("federated-user/"))
	case "apigateway":
		return r.apiGateway(arn, rest), true
	}
	tail, kind := rest, ""
	if n := bytes.IndexAny(rest, ":/"); n >= 0 {
		tail, kind = rest[n+1:], string(rest[:n])
	}
	switch string(service) + "/" + kind {
	case "kms/alias":
		r.Type, r.ID = "AWS::KMS::Alias", rest
	case "secretsmanager/secret":
		r.Type, r.ID, r.Name = "AWS::SecretsManager::Secret", arn, secretName(tail)
	case "ssm/parameter":
		if r.Type, r.ID = "AWS::SSM::Parameter", tail; bytes.IndexByte(tail, '/') >= 0 {
			// The name of a parameter in a hierarchy begins with the slash that ends "parameter".
			r.ID = rest[len("parameter"):]
		}
	case "logs/log-group":
		r.Type, r.ID = "AWS::Logs::LogGroup", cutAt(tail, ':')
	case "es/domain":
		// Real items have the name alone as their id, or the account before it.
		r.Type, r.Name = "AWS::OpenSearch::Domain", firstPart(tail)
	case "elasticloadbalancing/loadbalancer":
		if n := bytes.IndexByte(tail, '/'); n > 0 {
			r.Type, r.ID, r.Name = "AWS::ElasticLoadBalancingV2::LoadBalancer", arn, firstPart(tail[n+1:])
		} else {
			r.Type, r.ID = "AWS::ElasticLoadBalancing::LoadBalancer", tail
		}
	default:
		if string(service) != "wafv2" {
			return false, false
		}
		r.wafv2(arn, rest)
	}
	return true, true
}

func (r *Resource) s3(rest []byte) bool {
	if tail, ok := bytes.CutPrefix(rest, []byte("accesspoint/")); ok {
		r.Type, r.ID = "AWS::S3::AccessPoint", firstPart(tail)
		return true
	}
	n := bytes.IndexByte(rest, '/')
	switch {
	case n == 0:
		return false
	case n < 0:
		r.Type, r.ID = "AWS::S3::Bucket", rest
	case n == len(rest)-1:
		r.Type, r.ID = "AWS::S3::Bucket", rest[:n]
	default:
		r.Type, r.ID = "AWS::S3::Object", rest
	}
	return true
}

// apiGateway names APIs and their stages; what is below them counts as the API.
func (r *Resource) apiGateway(arn, rest []byte) bool {
	parts := bytes.Split(bytes.TrimPrefix(rest, []byte{'/'}), []byte{'/'})
	prefix := ""
	switch {
	case len(parts) < 2 || len(parts[1]) == 0:
		r.ID = arn
		return true
	case string(parts[0]) == "restapis":
		prefix = "AWS::ApiGateway::"
		r.Type = prefix + "RestApi"
	case string(parts[0]) == "apis":
		prefix = "AWS::ApiGatewayV2::"
		r.Type = prefix + "Api"
	default:
		r.ID = arn
		return true
	}
	end := len(arn) - len(rest) + len("/") + len(parts[0]) + len("/") + len(parts[1])
	if len(parts) >= 4 && string(parts[2]) == "stages" {
		r.Type, r.Name = prefix+"Stage", parts[3]
		end += len("/stages/") + len(parts[3])
	}
	r.ID = arn[:min(end, len(arn))]
	return true
}

// wafv2 names what stands behind the scope: regional/webacl/name/id.
func (r *Resource) wafv2(arn, rest []byte) {
	r.ID = arn
	parts := bytes.Split(rest, []byte{'/'})
	if len(parts) < 3 {
		return
	}
	r.Type = map[string]string{
		"webacl": "AWS::WAFv2::WebACL", "rulegroup": "AWS::WAFv2::RuleGroup", "ipset": "AWS::WAFv2::IPSet",
		"regexpatternset": "AWS::WAFv2::RegexPatternSet",
	}[string(parts[1])]
	r.Name = parts[2]
}

// secretName cuts off the six random characters that the ARN of a secret ends with.
func secretName(tail []byte) []byte {
	if n := len(tail) - 7; n > 0 && tail[n] == '-' {
		return tail[:n]
	}
	return tail
}

func firstPart(b []byte) []byte {
	if n := bytes.IndexAny(b, ":/"); n >= 0 {
		return b[:n]
	}
	return b
}

func lastPart(b []byte) []byte {
	return b[bytes.LastIndexAny(b, ":/")+1:]
}

func cutAt(b []byte, c byte) []byte {
	if n := bytes.IndexByte(b, c); n >= 0 {
		return b[:n]
	}
	return b
}
