# METADATA
# title: A function was opened to everyone, or its code or layers replaced
# description: >-
#   A resource policy for everyone lets anybody run the function with its role. New code or a new
#   layer runs with the same rights and is seldom looked at.
# custom:
#   severity: high
#   on: event
#   controls: {mitre-attack: [T1546, T1648]}
#   remediation: >-
#     Compare the function with what was deployed, and deploy it again.
package alarms.aws.lambda_backdoor

alarm contains {"msg": $"{input.event.actor.id} {how} (T1546)"} if {
	input.event.source == "aws.cloudtrail"
	input.event.outcome == "success"
	some how in ways
}

ways contains $"opened function {request.functionName} to everyone" if {
	input.event.action in {"lambda:AddPermission", "lambda:AddPermission20150331v2"}
	request.principal == "*"
}

ways contains $"put layers into function {request.functionName}" if {
	input.event.action in {"lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionConfiguration20150331v2"}
	count(request.layers) > 0
}

ways contains $"replaced the code of function {request.functionName}" if {
	input.event.action in {"lambda:UpdateFunctionCode", "lambda:UpdateFunctionCode20150331v2"}
}

request := input.event.detail.requestParameters
