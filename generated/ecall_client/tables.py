"""What the spec says that is not in the models; made from it like all of this package."""

from typing import Final, NamedTuple


class Operation(NamedTuple):
    operation_id: str
    method: str
    path: str
    level: str
    """How well the path is known: documented, observed or inferred."""


OPERATIONS: Final = (
    Operation("sendMessage", "POST", "/api/message", "documented"),
    Operation("getMessageStatus", "GET", "/api/message/{messageId}", "documented"),
    Operation("sendMessageList", "POST", "/api/messagelist", "inferred"),
    Operation("getMessageListStatus", "GET", "/api/messagelist/{messageListId}", "inferred"),
    Operation("uploadMedia", "POST", "/api/media", "inferred"),
    Operation("getMedia", "GET", "/api/media/{mediaId}", "inferred"),
)

JSON_NAMES: Final[dict[str, str]] = {
    "address": "address",
    "addresses": "addresses",
    "channel": "channel",
    "content": "content",
    "error": "error",
    "errorcode": "errorCode",
    "errordetails": "errorDetails",
    "errormessage": "errorMessage",
    "errors": "errors",
    "forevent": "forEvent",
    "from": "from",
    "mediaid": "mediaId",
    "messageid": "messageId",
    "messageidlist": "messageIdList",
    "messagelistid": "messageListId",
    "messages": "messages",
    "notification": "notification",
    "options": "options",
    "pagelimit": "pageLimit",
    "parameter": "parameter",
    "state": "state",
    "text": "text",
    "timestamp": "timestamp",
    "to": "to",
    "tolist": "toList",
    "type": "type",
}
"""The spelling of each JSON name, by its lower case."""

REQUEST_NAMES: Final = frozenset(
    [
        "address",
        "addresses",
        "channel",
        "content",
        "forevent",
        "from",
        "mediaid",
        "messages",
        "notification",
        "options",
        "pagelimit",
        "text",
        "to",
        "tolist",
        "type",
    ]
)
"""The JSON names that requests are made of, in lower case."""
