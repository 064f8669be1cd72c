package awsname

import (
	"bytes"
	"strings"
)

// idPrefixes are what ids begin with that tell their type by themselves, most of them EC2's.
var idPrefixes = map[string]string{
	"acl":        "AWS::EC2::NetworkAcl",
	"ami":        "AWS::EC2::Image",
	"cgw":        "AWS::EC2::CustomerGateway",
	"cr":         "AWS::EC2::CapacityReservation",
	"dopt":       "AWS::EC2::DHCPOptions",
	"eigw":       "AWS::EC2::EgressOnlyInternetGateway",
	"eipalloc":   "AWS::EC2::EIP",
	"eni":        "AWS::EC2::NetworkInterface",
	"fl":         "AWS::EC2::FlowLog",
	"fs":         "AWS::EFS::FileSystem",
	"fsap":       "AWS::EFS::AccessPoint",
	"fsmt":       "AWS::EFS::MountTarget",
	"h":          "AWS::EC2::Host",
	"i":          "AWS::EC2::Instance",
	"igw":        "AWS::EC2::InternetGateway",
	"lt":         "AWS::EC2::LaunchTemplate",
	"mi":         "AWS::SSM::ManagedInstanceInventory",
	"nat":        "AWS::EC2::NatGateway",
	"pcx":        "AWS::EC2::VPCPeeringConnection",
	"rqlc":       "AWS::Route53Resolver::ResolverQueryLoggingConfig",
	"rslvr-rr":   "AWS::Route53Resolver::ResolverRule",
	"rtb":        "AWS::EC2::RouteTable",
	"sg":         "AWS::EC2::SecurityGroup",
	"sgr":        "AWS::EC2::SecurityGroupRule",
	"snap":       "AWS::EC2::Snapshot",
	"subnet":     "AWS::EC2::Subnet",
	"tgw":        "AWS::EC2::TransitGateway",
	"tgw-attach": "AWS::EC2::TransitGatewayAttachment",
	"tgw-rtb":    "AWS::EC2::TransitGatewayRouteTable",
	"vgw":        "AWS::EC2::VPNGateway",
	"vol":        "AWS::EC2::Volume",
	"vpc":        "AWS::EC2::VPC",
	"vpce":       "AWS::EC2::VPCEndpoint",
	"vpce-svc":   "AWS::EC2::VPCEndpointService",
	"vpn":        "AWS::EC2::VPNConnection",
}

// FromID returns the type of an id that tells it by itself, "" for any other text.
func FromID(id []byte) string {
	// prefix-0123456789abcdef0: 8 characters once, 17 now.
	n := bytes.LastIndexByte(id, '-')
	if n < 1 || n > 10 || len(id)-n-1 < 8 || len(id)-n-1 > 21 {
		return ""
	}
	for _, c := range id[n+1:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return idPrefixes[string(id[:n])]
}

// uniqueIDs are what the unique ids of IAM begin with; AWS Config identifies by them.
var uniqueIDs = map[string]string{
	"AGPA": "AWS::IAM::Group",
	"AIDA": "AWS::IAM::User",
	"AIPA": "AWS::IAM::InstanceProfile",
	"ANPA": "AWS::IAM::Policy",
	"AROA": "AWS::IAM::Role",
	"ASCA": "AWS::IAM::ServerCertificate",
}

// FromUniqueID returns the type of a unique id of IAM, "" for any other text.
func FromUniqueID(id []byte) string {
	if len(id) < 16 || id[0] != 'A' {
		return ""
	}
	return uniqueIDs[string(id[:4])]
}

// parameter says what a parameter's value is.
type parameter struct {
	typ string
	is  part
}

// part is what of a resource a parameter gives.
type part uint8

const (
	// id is the resource's id in AWS Config, name a name that is not.
	id part = iota
	name
	// url is the id, with the name as its last part.
	url
)

// parameters are by the lower-case name of a parameter, after the service where it means something
// else elsewhere. What FromID and ARNs tell is not repeated here.
var parameters = map[string]parameter{
	"alarmname":                    {"AWS::CloudWatch::Alarm", id},
	"alarmnames":                   {"AWS::CloudWatch::Alarm", id},
	"apigateway/restapiid":         {"AWS::ApiGateway::RestApi", id},
	"athena/workgroup":             {"AWS::Athena::WorkGroup", id},
	"autoscalinggroupname":         {"AWS::AutoScaling::AutoScalingGroup", name},
	"autoscalinggroupnames":        {"AWS::AutoScaling::AutoScalingGroup", name},
	"backupplanid":                 {"AWS::Backup::BackupPlan", id},
	"backupvaultname":              {"AWS::Backup::BackupVault", id},
	"bucket":                       {"AWS::S3::Bucket", id},
	"bucketname":                   {"AWS::S3::Bucket", id},
	"s3bucketname":                 {"AWS::S3::Bucket", id},
	"cloudfront/distributionid":    {"AWS::CloudFront::Distribution", id},
	"cloudfront/id":                {"AWS::CloudFront::Distribution", id},
	"cloudtrail/name":              {"AWS::CloudTrail::Trail", id},
	"cloudtrail/trailname":         {"AWS::CloudTrail::Trail", id},
	"cloudtrail/trailnamelist":     {"AWS::CloudTrail::Trail", id},
	"codebuild/projectname":        {"AWS::CodeBuild::Project", name},
	"codedeploy/applicationname":   {"AWS::CodeDeploy::Application", id},
	"codepipeline/name":            {"AWS::CodePipeline::Pipeline", id},
	"codepipeline/pipelinename":    {"AWS::CodePipeline::Pipeline", id},
	"config/configrulename":        {"AWS::Config::ConfigRule", name},
	"configurationrecordername":    {"AWS::Config::ConfigurationRecorder", id},
	"dbclusteridentifier":          {"AWS::RDS::DBCluster", name},
	"dbclusterresourceid":          {"AWS::RDS::DBCluster", id},
	"dbclustersnapshotidentifier":  {"AWS::RDS::DBClusterSnapshot", id},
	"dbinstanceidentifier":         {"AWS::RDS::DBInstance", name},
	"dbiresourceid":                {"AWS::RDS::DBInstance", id},
	"dbparametergroupname":         {"AWS::RDS::DBParameterGroup", id},
	"dbsecuritygroupname":          {"AWS::RDS::DBSecurityGroup", id},
	"dbsnapshotidentifier":         {"AWS::RDS::DBSnapshot", id},
	"dbsubnetgroupname":            {"AWS::RDS::DBSubnetGroup", id},
	"sourcedbinstanceidentifier":   {"AWS::RDS::DBInstance", name},
	"sourcedbsnapshotidentifier":   {"AWS::RDS::DBSnapshot", id},
	"targetdbinstanceidentifier":   {"AWS::RDS::DBInstance", name},
	"targetdbsnapshotidentifier":   {"AWS::RDS::DBSnapshot", id},
	"deliverystreamname":           {"AWS::KinesisFirehose::DeliveryStream", id},
	"detectorid":                   {"AWS::GuardDuty::Detector", id},
	"documentname":                 {"AWS::SSM::Document", id},
	"dynamodb/tablename":           {"AWS::DynamoDB::Table", id},
	"ec2/groupname":                {"AWS::EC2::SecurityGroup", name},
	"ec2/keyname":                  {"AWS::EC2::KeyPair", name},
	"ec2/keypairid":                {"AWS::EC2::KeyPair", id},
	"ec2/launchtemplatename":       {"AWS::EC2::LaunchTemplate", name},
	"ecr/repositoryname":           {"AWS::ECR::Repository", id},
	"ecs/cluster":                  {"AWS::ECS::Cluster", name},
	"ecs/clustername":              {"AWS::ECS::Cluster", name},
	"ecs/service":                  {"AWS::ECS::Service", name},
	"ecs/servicename":              {"AWS::ECS::Service", name},
	"ecs/taskdefinition":           {"AWS::ECS::TaskDefinition", id},
	"eks/clustername":              {"AWS::EKS::Cluster", id},
	"eks/name":                     {"AWS::EKS::Cluster", id},
	"elasticbeanstalk/environment": {"AWS::ElasticBeanstalk::Environment", name},
	"environmentid":                {"AWS::ElasticBeanstalk::Environment", id},
	"environmentname":              {"AWS::ElasticBeanstalk::Environment", name},
	"elasticmapreduce/clusterid":   {"AWS::EMR::Cluster", id},
	"elasticmapreduce/jobflowid":   {"AWS::EMR::Cluster", id},
	"eventbusname":                 {"AWS::Events::EventBus", id},
	"events/name":                  {"AWS::Events::Rule", name},
	"events/rule":                  {"AWS::Events::Rule", name},
	"functionname":                 {"AWS::Lambda::Function", id},
	"glue/databasename":            {"AWS::Glue::Database", id},
	"glue/jobname":                 {"AWS::Glue::Job", id},
	"glue/tablename":               {"AWS::Glue::Table", id},
	"hostedzoneid":                 {"AWS::Route53::HostedZone", id},
	"iam/accesskeyid":              {"AWS::IAM::AccessKey", id},
	"iam/groupid":                  {"AWS::IAM::Group", id},
	"iam/groupname":                {"AWS::IAM::Group", name},
	"iam/instanceprofileid":        {"AWS::IAM::InstanceProfile", id},
	"iam/instanceprofilename":      {"AWS::IAM::InstanceProfile", name},
	"iam/policyid":                 {"AWS::IAM::Policy", id},
	"iam/roleid":                   {"AWS::IAM::Role", id},
	"iam/rolename":                 {"AWS::IAM::Role", name},
	"iam/servercertificatename":    {"AWS::IAM::ServerCertificate", name},
	"iam/userid":                   {"AWS::IAM::User", id},
	"iam/username":                 {"AWS::IAM::User", name},
	"kinesis/streamname":           {"AWS::Kinesis::Stream", id},
	"kms/aliasname":                {"AWS::KMS::Alias", id},
	"kms/keyid":                    {"AWS::KMS::Key", id},
	"kms/targetkeyid":              {"AWS::KMS::Key", id},
	"launchconfigurationname":      {"AWS::AutoScaling::LaunchConfiguration", name},
	"layername":                    {"AWS::Lambda::LayerVersion", name},
	"loadbalancername":             {"AWS::ElasticLoadBalancing::LoadBalancer", id},
	"loadbalancernames":            {"AWS::ElasticLoadBalancing::LoadBalancer", id},
	"loggroupname":                 {"AWS::Logs::LogGroup", id},
	"notebookinstancename":         {"AWS::SageMaker::NotebookInstance", name},
	"queuename":                    {"AWS::SQS::Queue", name},
	"queueurl":                     {"AWS::SQS::Queue", url},
	"redshift/clusteridentifier":   {"AWS::Redshift::Cluster", id},
	"redshift/snapshotidentifier":  {"AWS::Redshift::ClusterSnapshot", id},
	"resolverquerylogconfigid":     {"AWS::Route53Resolver::ResolverQueryLoggingConfig", id},
	"rolesanywhere/profileid":      {"AWS::RolesAnywhere::Profile", id},
	"rolesanywhere/trustanchorid":  {"AWS::RolesAnywhere::TrustAnchor", id},
	"s3/accesspointname":           {"AWS::S3::AccessPoint", id},
	"secretsmanager/name":          {"AWS::SecretsManager::Secret", name},
	"secretsmanager/secretid":      {"AWS::SecretsManager::Secret", name},
	"sns/topicname":                {"AWS::SNS::Topic", name},
	"ssm/name":                     {"AWS::SSM::Parameter", id},
	"ssm/names":                    {"AWS::SSM::Parameter", id},
	"stackname":                    {"AWS::CloudFormation::Stack", name},
	"statemachinename":             {"AWS::StepFunctions::StateMachine", name},
	"sts/accesskeyid":              {"AWS::IAM::AccessKey", id},
	"virtualmfadevicename":         {"AWS::IAM::VirtualMFADevice", name},
}

const (
	// longest is the length of the longest service or parameter that is looked up.
	longest = 40
	// maxValue is the length of the longest name of a resource.
	maxValue = 1024
)

// Call is what a parameter belongs to.
type Call struct {
	// Service is the service's host without its domain, Event the call's name, Region where it was made.
	Service, Event, Region []byte
}

// FromParameter names the resource that the value of a call's parameter stands for, as far as the
// parameter's name tells. nested says that the parameter is a part of another one; then a plain "name"
// or "id" is not the resource's. Values that tell more themselves, ARNs and what FromID knows, are not
// looked at here.
func FromParameter(c *Call, param, value []byte, nested bool) (Resource, bool) {
	service := c.Service
	if nested && len(param) <= len("names") {
		switch string(param) {
		case "id", "name", "names", "rule":
			return Resource{}, false
		}
	}
	if len(param) > longest || len(service) > longest || len(value) == 0 || len(value) > maxValue || bytes.IndexByte(value, '*') >= 0 {
		return Resource{}, false
	}
	var key [2*longest + 1]byte
	n := copy(key[:], service)
	key[n] = '/'
	k := n + 1
	for _, c := range param {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		key[k] = c
		k++
	}
	p, ok := parameters[string(key[:k])]
	if !ok {
		if p, ok = parameters[string(key[n+1:k])]; !ok {
			return Resource{}, false
		}
	}
	r := Resource{Type: p.typ}
	switch p.is {
	case name:
		r.Name = value
		return r, true
	case url:
		r.ID, r.Name = value, lastPart(value)
		return r, true
	}
	r.ID = value
	switch p.typ {
	case "AWS::S3::Bucket":
		// CloudFront names buckets by their host.
		r.ID = bytes.TrimSuffix(value, []byte(".s3.amazonaws.com"))
	case "AWS::Route53::HostedZone":
		r.ID = bytes.TrimPrefix(value, []byte("/hostedzone/"))
	case "AWS::ApiGateway::RestApi":
		r.ID = []byte("arn:" + partition(c.Region) + ":apigateway:" + string(c.Region) + "::/restapis/" + string(value))
	case "AWS::KMS::Key":
		if bytes.HasPrefix(value, []byte("alias/")) {
			r.Type = "AWS::KMS::Alias"
		}
	case "AWS::Lambda::Function":
		// name, name:qualifier, account:function:name or account:function:name:qualifier.
		if _, after, found := bytes.Cut(value, []byte(":function:")); found {
			value = after
		}
		r.ID = cutAt(value, ':')
	case "AWS::SSM::Parameter":
		if bytes.Contains(c.Event, []byte("Document")) || bytes.Contains(c.Event, []byte("Association")) {
			r.Type = "AWS::SSM::Document"
		}
	}
	return r, len(r.ID) > 0
}

// partition returns the partition that a region is in.
func partition(region []byte) string {
	switch {
	case bytes.HasPrefix(region, []byte("cn-")):
		return "aws-cn"
	case bytes.HasPrefix(region, []byte("us-gov-")):
		return "aws-us-gov"
	}
	return "aws"
}

// Types corrects the case of types, which some of AWS's own samples write in capitals.
type Types map[string]string

// KnownTypes returns the types of all tables.
func KnownTypes() Types {
	t := Types{}
	add := func(typ string) { t[strings.ToLower(typ)] = typ }
	for _, k := range kinds {
		add(k.typ)
	}
	for _, m := range []map[string]string{ec2Kinds, idPrefixes, uniqueIDs} {
		for _, typ := range m {
			add(typ)
		}
	}
	for _, p := range parameters {
		add(p.typ)
	}
	return t
}

// Correct returns the type in its own spelling, where it is known.
func (t Types) Correct(typ []byte) []byte {
	if known, ok := t[string(bytes.ToLower(typ))]; ok && known != string(typ) {
		return []byte(known)
	}
	return typ
}
