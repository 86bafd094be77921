"""The embedded `aws` provider: a table of pulumi-aws' types over boto3, held to AWS's own resource schemas."""
