"""Checks Block Kit as Slack does: each fault in Slack's words, with a JSON pointer to its place.

Slack documents the limits and not the words. The words are those that public issues quote from Slack's answers; where
none is known, they say what is allowed. Blocks that this stand-in does not know are refused as unsupported.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BLOCKS = 50
ALL_TEXT_CHARACTERS = 10_000
"""The texts of all blocks of a message together, beyond which Slack answers `msg_blocks_too_long`.

Not documented: it took 9,597 characters and refused 11,341 (slackapi/bolt-js, issue 2867).
"""
SECTION_CHARACTERS = 3_000
FIELD_CHARACTERS = 2_000
FIELDS = 10
HEADER_CHARACTERS = 150
CONTEXT_ELEMENTS = 10
ACTION_ELEMENTS = 25
BUTTON_CHARACTERS = 75
VALUE_CHARACTERS = 2_000
ID_CHARACTERS = 255
ADDRESS_CHARACTERS = 3_000
MARKDOWN_CHARACTERS = 12_000
ALT_TEXT_CHARACTERS = 2_000
CONFIRM_LIMITS = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
ADDRESS = re.compile(r"https?://[^\s/?#]+([/?#]\S*)?")
STYLES = ("primary", "danger")
PLAIN = ("plain_text",)
ANY_TEXT = ("plain_text", "mrkdwn")
ID_LETTERS = string.ascii_letters + string.digits
GENERATED_ID_LENGTH = 5

KEYS: Mapping[str, tuple[str, ...]] = {
    "section": ("text", "fields", "accessory", "expand"),
    "header": ("text", "level"),
    "divider": (),
    "context": ("elements",),
    "actions": ("elements",),
    "image": ("image_url", "slack_file", "alt_text", "title"),
    "markdown": ("text",),
    "rich_text": ("elements",),
}
"""The properties of each block that is known here, beside `type` and `block_id`."""
BUTTON_KEYS = ("type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label")

Json = Mapping[str, Any]
Faults = Iterator[str]


def is_address(text: str) -> bool:
    """Return whether Slack takes a text as a button's address: absolute, of http or https, with a host."""
    return len(text) <= ADDRESS_CHARACTERS and ADDRESS.fullmatch(text) is not None


def faults(blocks: Sequence[object], pointer: str = "/blocks") -> list[str]:
    """Return what Slack would find wrong with the blocks that stand at `pointer` of a request."""
    problems = [_said(f"no more than {BLOCKS} items allowed", pointer)] if len(blocks) > BLOCKS else []
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        place = f"{pointer}/{number}"
        if not isinstance(block, dict):
            problems.append(_said("must be a valid object", place))
            continue
        problems += _block(block, place)
        block_id = block.get("block_id")
        if isinstance(block_id, str) and block_id in seen:
            problems.append(_said(f"block_id already exists: {block_id}", f"{place}/block_id"))
        seen.add(str(block_id))
    return problems


def with_ids(posted: Json) -> dict[str, Any]:
    """Return a message with each `block_id` and `action_id` that Slack makes up where a block or element has none."""
    found = dict(posted)
    if posted.get("blocks"):
        found["blocks"] = [_with_ids(block) for block in posted["blocks"]]
    if posted.get("attachments"):
        found["attachments"] = [
            {**each, "blocks": [_with_ids(block) for block in each["blocks"]]} if each.get("blocks") else each
            for each in posted["attachments"]
        ]
    return found


def text_length(blocks: Sequence[object]) -> int:
    """Return the characters of all texts of the blocks."""
    return sum(len(text) for text in _texts(list(blocks)))


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)


def _with_ids(block: Json) -> dict[str, Any]:
    made = {**block, "block_id": block.get("block_id") or _new_id()}
    if block.get("type") == "actions":
        made["elements"] = [_with_action_id(each) for each in block["elements"]]
    elif isinstance(block.get("accessory"), dict):
        made["accessory"] = _with_action_id(block["accessory"])
    return made


def _with_action_id(element: Json) -> Json:
    return (
        element if element.get("type") == "image" else {**element, "action_id": element.get("action_id") or _new_id()}
    )


def _new_id() -> str:
    return "".join(secrets.choice(ID_LETTERS) for _ in range(GENERATED_ID_LENGTH))


def _said(what: str, pointer: str) -> str:
    return f"{what} [json-pointer:{pointer}]"


def _block(block: Json, place: str) -> Faults:
    kind = block.get("type")
    if not isinstance(kind, str):
        yield _said("missing required field: type", place)
        return
    if kind not in KEYS:
        yield _said(f"unsupported type: {kind}", f"{place}/type")
        return
    yield from _unknown(block, ("type", "block_id", *KEYS[kind]), place)
    yield from _length(block, "block_id", ID_CHARACTERS, place)
    match kind:
        case "section":
            yield from _section(block, place)
        case "header":
            yield from _text(block, "text", HEADER_CHARACTERS, PLAIN, place)
        case "context":
            yield from _context(block, place)
        case "actions":
            yield from _actions(block, place)
        case "image":
            yield from _image(block, place)
        case "markdown":
            yield from _length(block, "text", MARKDOWN_CHARACTERS, place, required=True)
        case _:
            return


def _unknown(part: Json, known: Sequence[str], place: str) -> Faults:
    for name in part:
        if name not in known:
            yield _said(f"invalid additional property: {name}", place)


def _length(part: Json, name: str, most: int, place: str, *, required: bool = False) -> Faults:
    value = part.get(name)
    if value is None:
        if required:
            yield _said(f"missing required field: {name}", place)
    elif not isinstance(value, str):
        yield _said("must be a string", f"{place}/{name}")
    elif len(value) > most:
        yield _said(f"must be less than {most + 1} characters", f"{place}/{name}")
    elif not value and name not in ("block_id", "action_id"):
        yield _said("must be more than 0 characters", f"{place}/{name}")


def _text(part: Json, name: str, most: int, kinds: Sequence[str], place: str, *, required: bool = True) -> Faults:
    """Check a text object of a block or an element."""
    value = part.get(name)
    place = f"{place}/{name}"
    if value is None:
        if required:
            yield _said(f"missing required field: {name}", place.removesuffix(f"/{name}"))
        return
    if not isinstance(value, dict):
        yield _said("must be a valid object", place)
        return
    if value.get("type") not in kinds:
        yield _said(f"must be one of: {', '.join(kinds)}", f"{place}/type")
    yield from _unknown(value, ("type", "text", "emoji", "verbatim"), place)
    problems = list(_length(value, "text", most, place, required=True))
    if problems and name == "text" and kinds is ANY_TEXT:
        yield _said("failed to match all allowed schemas", place)
    yield from problems


def _items(part: Json, name: str, most: int) -> list[Any]:
    """Return the items of a list, which `_item_faults` checks."""
    items = part.get(name)
    return items if isinstance(items, list) and len(items) <= most else []


def _item_faults(part: Json, name: str, most: int, place: str) -> Faults:
    items = part.get(name)
    if items is None:
        yield _said(f"missing required field: {name}", place)
    elif not isinstance(items, list):
        yield _said("must be an array", f"{place}/{name}")
    elif len(items) > most:
        yield _said(f"no more than {most} items allowed", f"{place}/{name}")
    elif not items:
        yield _said("no fewer than 1 items allowed", f"{place}/{name}")


def _section(block: Json, place: str) -> Faults:
    if block.get("text") is None and block.get("fields") is None:
        yield _said("missing required field: text", place)
    yield from _text(block, "text", SECTION_CHARACTERS, ANY_TEXT, place, required=False)
    if block.get("fields") is not None:
        yield from _item_faults(block, "fields", FIELDS, place)
        for number, item in enumerate(_items(block, "fields", FIELDS)):
            items = {str(number): item}
            yield from _text(items, str(number), FIELD_CHARACTERS, ANY_TEXT, f"{place}/fields")
    accessory = block.get("accessory")
    if accessory is not None:
        yield from _element(accessory, f"{place}/accessory", ("button", "image"))


def _context(block: Json, place: str) -> Faults:
    yield from _item_faults(block, "elements", CONTEXT_ELEMENTS, place)
    for number, element in enumerate(_items(block, "elements", CONTEXT_ELEMENTS)):
        if isinstance(element, dict) and element.get("type") == "image":
            yield from _image(element, f"{place}/elements/{number}")
        else:
            yield from _text({str(number): element}, str(number), SECTION_CHARACTERS, ANY_TEXT, f"{place}/elements")


def _actions(block: Json, place: str) -> Faults:
    yield from _item_faults(block, "elements", ACTION_ELEMENTS, place)
    seen: set[str] = set()
    for number, element in enumerate(_items(block, "elements", ACTION_ELEMENTS)):
        inner = f"{place}/elements/{number}"
        yield from _element(element, inner, ("button",))
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id and action_id in seen:
            yield _said(f"action_id already exists: {action_id}", f"{inner}/action_id")
        seen.add(str(action_id))


def _element(element: object, place: str, kinds: Sequence[str]) -> Faults:
    if not isinstance(element, dict):
        yield _said("must be a valid object", place)
    elif element.get("type") not in kinds:
        yield _said(f"unsupported type: {element.get('type')}", f"{place}/type")
    elif element["type"] == "image":
        yield from _image(element, place)
    else:
        yield from _button(element, place)


def _button(button: Json, place: str) -> Faults:
    yield from _unknown(button, BUTTON_KEYS, place)
    yield from _text(button, "text", BUTTON_CHARACTERS, PLAIN, place)
    yield from _length(button, "action_id", ID_CHARACTERS, place)
    yield from _length(button, "value", VALUE_CHARACTERS, place)
    yield from _length(button, "accessibility_label", BUTTON_CHARACTERS, place)
    yield from _address(button, "url", place)
    if button.get("style") is not None and button["style"] not in STYLES:
        yield _said(f"must be one of: {', '.join(STYLES)}", f"{place}/style")
    confirm = button.get("confirm")
    if isinstance(confirm, dict):
        yield from _unknown(confirm, (*CONFIRM_LIMITS, "style"), f"{place}/confirm")
        for name, most in CONFIRM_LIMITS.items():
            kinds = ANY_TEXT if name == "text" else PLAIN
            yield from _text(confirm, name, most, kinds, f"{place}/confirm", required=name in ("title", "text"))
    elif confirm is not None:
        yield _said("must be a valid object", f"{place}/confirm")


def _image(image: Json, place: str) -> Faults:
    if image.get("image_url") is None and image.get("slack_file") is None:
        yield _said("missing required field: image_url", place)
    yield from _address(image, "image_url", place)
    yield from _length(image, "alt_text", ALT_TEXT_CHARACTERS, place, required=True)
    yield from _text(image, "title", ALT_TEXT_CHARACTERS, PLAIN, place, required=False)


def _address(part: Json, name: str, place: str) -> Faults:
    value = part.get(name)
    if value is None:
        return
    if isinstance(value, str) and len(value) > ADDRESS_CHARACTERS:
        yield _said(f"must be less than {ADDRESS_CHARACTERS + 1} characters", f"{place}/{name}")
    elif not isinstance(value, str) or not is_address(value):
        yield _said("must be a valid URL", f"{place}/{name}")
