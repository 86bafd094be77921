"""Says what became of repairs, and keeps what can't be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_automation.repair import RESULTS, Repair, Status

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient

UNREADABLE_PREFIX = "unreadable/"
MAXIMUM_BYTES = 256 * 1024
"""What SNS takes."""
CUT_CHARACTERS = 24_000
"""As much of a command's output as Systems Manager answers with; cut again if the message is still too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """The topics, and the bucket for what was not understood."""

    sns: SNSClient
    s3: S3Client
    notification_topic_arn: str
    team_topic_arns: Mapping[str, str]
    bucket: str

    def publish(self, repair: Repair) -> None:
        """Publish how a repair ended: a result to the notification topic, anything else to its team's."""
        topic = self.notification_topic_arn if repair.status in RESULTS else self._team_topic(repair.team)
        self.sns.publish(
            TopicArn=topic,
            Subject=f"{_said(repair.status)}: {repair.action}",
            Message=_fitting(repair),
            MessageAttributes={
                "action": {"DataType": "String", "StringValue": repair.action},
                "status": {"DataType": "String", "StringValue": repair.status.value},
            },
        )

    def publish_left_out(self, alert: str, team: str, left_out: int) -> None:
        """Tell a team how many of its alerts came in no message, so that nothing was done about them."""
        self.sns.publish(
            TopicArn=self._team_topic(team),
            Subject="Runbook Actions Left Out",
            Message=json.dumps(
                {
                    "version": "1",
                    "alert": alert,
                    "status": "left out",
                    "result": f"{left_out} alerts of this group came in no message: it would have been too long",
                }
            ),
        )

    def keep_unreadable(self, message_id: str, body: str, reason: str) -> str:
        """Keep a message as it came and return where."""
        key = f"{UNREADABLE_PREFIX}{message_id}.json"
        self.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body.encode(errors="surrogatepass"),
            ContentType="application/octet-stream",
            Metadata={"reason": "".join(one if one.isascii() and one.isprintable() else "?" for one in reason[:200])},
        )
        return key

    def _team_topic(self, team: str) -> str:
        # A team that lost its topic since must not swallow a failure.
        return self.team_topic_arns.get(team, self.notification_topic_arn)


def _said(status: Status) -> str:
    match status:
        case Status.SUCCEEDED | Status.HANDED_OVER:
            return "Runbook Action Executed"
        case Status.NOTHING_DONE | Status.GONE:
            return "Runbook Action Not Needed"
        case Status.DRY_RUN:
            return "Runbook Action Dry Run"
        case Status.REFUSED:
            return "Runbook Action Refused"
        case _:
            return "Runbook Action Failed"


def _fitting(repair: Repair) -> str:
    """Return the message, with what the command wrote cut if SNS would not take it."""
    message = repair.as_message()
    limit = CUT_CHARACTERS
    while len(text := json.dumps(message)) > MAXIMUM_BYTES and limit:
        for name in ("output", "errors"):
            message[name] = repair.as_message()[name][:limit]
        limit //= 2
    return text
