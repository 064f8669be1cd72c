package main

import "strings"

// arnTypes names the resources of ARNs by AWS Config's types: service/kind.
var arnTypes = map[string]string{
	"acm/certificate":                   "AWS::ACM::Certificate",
	"autoscaling/autoScalingGroup":      "AWS::AutoScaling::AutoScalingGroup",
	"cloudformation/stack":              "AWS::CloudFormation::Stack",
	"cloudtrail/trail":                  "AWS::CloudTrail::Trail",
	"cloudwatch/alarm":                  "AWS::CloudWatch::Alarm",
	"codebuild/project":                 "AWS::CodeBuild::Project",
	"dynamodb/table":                    "AWS::DynamoDB::Table",
	"ec2/image":                         "AWS::EC2::Image",
	"ec2/instance":                      "AWS::EC2::Instance",
	"ec2/internet-gateway":              "AWS::EC2::InternetGateway",
	"ec2/network-acl":                   "AWS::EC2::NetworkAcl",
	"ec2/network-interface":             "AWS::EC2::NetworkInterface",
	"ec2/route-table":                   "AWS::EC2::RouteTable",
	"ec2/security-group":                "AWS::EC2::SecurityGroup",
	"ec2/snapshot":                      "AWS::EC2::Snapshot",
	"ec2/subnet":                        "AWS::EC2::Subnet",
	"ec2/volume":                        "AWS::EC2::Volume",
	"ec2/vpc":                           "AWS::EC2::VPC",
	"ecr/repository":                    "AWS::ECR::Repository",
	"ecs/cluster":                       "AWS::ECS::Cluster",
	"ecs/service":                       "AWS::ECS::Service",
	"ecs/task-definition":               "AWS::ECS::TaskDefinition",
	"eks/cluster":                       "AWS::EKS::Cluster",
	"elasticloadbalancing/loadbalancer": "AWS::ElasticLoadBalancingV2::LoadBalancer",
	"es/domain":                         "AWS::OpenSearch::Domain",
	"kms/alias":                         "AWS::KMS::Alias",
	"kms/key":                           "AWS::KMS::Key",
	"lambda/function":                   "AWS::Lambda::Function",
	"lambda/layer":                      "AWS::Lambda::LayerVersion",
	"logs/log-group":                    "AWS::Logs::LogGroup",
	"rds/cluster":                       "AWS::RDS::DBCluster",
	"rds/cluster-snapshot":              "AWS::RDS::DBClusterSnapshot",
	"rds/db":                            "AWS::RDS::DBInstance",
	"rds/snapshot":                      "AWS::RDS::DBSnapshot",
	"redshift/cluster":                  "AWS::Redshift::Cluster",
	"rolesanywhere/profile":             "AWS::RolesAnywhere::Profile",
	"rolesanywhere/trust-anchor":        "AWS::RolesAnywhere::TrustAnchor",
	"secretsmanager/secret":             "AWS::SecretsManager::Secret",
	"ssm/document":                      "AWS::SSM::Document",
	"ssm/parameter":                     "AWS::SSM::Parameter",
}

// parameter is a request parameter that names a resource; named is true where it gives the name and not
// the id that AWS Config knows the resource by.
type parameter struct {
	typ   string
	named bool
}

// parameters name resources whatever the service; those with a service before a slash only there.
var parameters = map[string]parameter{
	"allocationid":                {"AWS::EC2::EIP", false},
	"autoscalinggroupname":        {"AWS::AutoScaling::AutoScalingGroup", true},
	"bucketname":                  {"AWS::S3::Bucket", false},
	"cloudtrail/name":             {"AWS::CloudTrail::Trail", true},
	"cloudtrail/trailname":        {"AWS::CloudTrail::Trail", true},
	"clusteridentifier":           {"AWS::Redshift::Cluster", false},
	"dbclusteridentifier":         {"AWS::RDS::DBCluster", true},
	"dbclustersnapshotidentifier": {"AWS::RDS::DBClusterSnapshot", false},
	"dbinstanceidentifier":        {"AWS::RDS::DBInstance", true},
	"dbsnapshotidentifier":        {"AWS::RDS::DBSnapshot", false},
	"documentname":                {"AWS::SSM::Document", false},
	"dynamodb/tablename":          {"AWS::DynamoDB::Table", false},
	"eks/name":                    {"AWS::EKS::Cluster", false},
	"functionname":                {"AWS::Lambda::Function", false},
	"groupid":                     {"AWS::EC2::SecurityGroup", false},
	"iam/groupname":               {"AWS::IAM::Group", true},
	"iam/instanceprofilename":     {"AWS::IAM::InstanceProfile", true},
	"iam/policyname":              {"AWS::IAM::Policy", true},
	"iam/rolename":                {"AWS::IAM::Role", true},
	"iam/username":                {"AWS::IAM::User", true},
	"imageid":                     {"AWS::EC2::Image", false},
	"instanceid":                  {"AWS::EC2::Instance", false},
	"instanceids":                 {"AWS::EC2::Instance", false},
	"internetgatewayid":           {"AWS::EC2::InternetGateway", false},
	"kms/keyid":                   {"AWS::KMS::Key", false},
	"logs/loggroupname":           {"AWS::Logs::LogGroup", false},
	"natgatewayid":                {"AWS::EC2::NatGateway", false},
	"networkaclid":                {"AWS::EC2::NetworkAcl", false},
	"networkinterfaceid":          {"AWS::EC2::NetworkInterface", false},
	"repositoryname":              {"AWS::ECR::Repository", false},
	"route53/hostedzoneid":        {"AWS::Route53::HostedZone", false},
	"routetableid":                {"AWS::EC2::RouteTable", false},
	"secretsmanager/secretid":     {"AWS::SecretsManager::Secret", true},
	"snapshotid":                  {"AWS::EC2::Snapshot", false},
	"ssm/name":                    {"AWS::SSM::Parameter", false},
	"ssm/names":                   {"AWS::SSM::Parameter", false},
	"ssm/target":                  {"AWS::EC2::Instance", false},
	"stackname":                   {"AWS::CloudFormation::Stack", true},
	"sts/rolearn":                 {"AWS::IAM::Role", true},
	"subnetid":                    {"AWS::EC2::Subnet", false},
	"volumeid":                    {"AWS::EC2::Volume", false},
	"vpcid":                       {"AWS::EC2::VPC", false},
	"flowlogid":                   {"AWS::EC2::FlowLog", false},
	"flowlogids":                  {"AWS::EC2::FlowLog", false},
}

// parameterType returns the type of the resource that a parameter of a service names.
func parameterType(service, name string) (typ string, named bool) {
	if name == "" || len(name) > 40 {
		return "", false
	}
	name = strings.ToLower(name)
	if p, ok := parameters[service+"/"+name]; ok {
		return p.typ, p.named
	}
	p := parameters[name]
	return p.typ, p.named
}
