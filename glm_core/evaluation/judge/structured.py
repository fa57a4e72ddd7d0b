"""Judge answers that a machine reads: JSON by its values, Python by its syntax tree, SQL by its tokens, lists by their items.

Each function returns None where the reference is not of its kind.
"""

import ast
import re

from glm_core.evaluation.judge import text
from glm_core.evaluation.judge.reasons import Judgement, right, unsure, wrong
from glm_core.workspace import parse_json

_FENCE = re.compile(r"```[\w+-]*\s*\n?(.*?)(?:```|$)", re.DOTALL)
_SQL = re.compile(
    r"^\s*(?:select|insert\s+into|update|delete\s+from|create\s+(?:table|index|view)|alter\s+table|drop\s+table|with\s+\w+\s+as)\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|[A-Za-z_][\w$]*|\d+(?:\.\d+)?|[^\s\w]=?")
_CODE = re.compile(
    r"(?:^|\n)\s*(?:def |class |import |from \w+ import|function |const |let |var |public |private |#include|fn |func |package |return |print\(|console\.|echo |sudo |git |pip |docker |ls |cd |curl )|[{};]\s*$|=>|->|\w+\(.*\)"
)
_BULLET = re.compile(r"(?:^|[\s;,。、])(?:(?:第)?(\d{1,2})(?:步)?\s*[.、)::]|\((\d{1,2})\)|([①②③④⑤⑥⑦⑧⑨⑩]))\s*(?=\D)")
_DASH = re.compile(r"(?:^|\n)\s*[-*•·]\s+")
_SEPARATORS = re.compile(r"[、,;\n/|]|以及|还有|和|与|及|\band\b|\bor\b")
_LEAD_IN = re.compile(
    r"^.*(?:是|有|为|包括|包含|如下|分别是|分别为|:|are|is|include|includes)\s*:?\s*|^(?:您|你|我们|还|都|一共|只)*(?:需要?|要|准备|携带|提供|带上?)好?(?![、,])"
)
_ITEM_SUFFIX = re.compile("(?:色|季|等|天|类|的|市|省|国|族|星|味|科)$")
_LISTED = re.compile(r"[、/|\n]")
_SPOKEN = re.compile("[是不请了会能可要在有我你您]")
"Characters of sentences; clauses between commas that hold them are no items."
LONGEST_ITEM = 16


def judge(answer: str, reference: str) -> Judgement | None:
    """Judge by the first kind that `reference` is of."""
    for kind in (_json, _python, _sql, _numbered, _list, _code):
        found = kind(answer, reference)
        if found:
            return found
    return None


def is_structured(reference: str) -> bool:
    """True for JSON and code, in which marks and letter case count."""
    source = _unfenced(reference)
    return (
        isinstance(_parse_json(source), dict | list)
        or _parse_python(source) is not None
        or bool(_SQL.match(source))
        or _is_code(source)
    )


def _unfenced(answer: str) -> str:
    """The code of an answer: what stands in its fence, or all of it."""
    found = _FENCE.search(answer)
    return (found[1] if found else answer).strip()


def _json(answer: str, reference: str) -> Judgement | None:
    wanted = _parse_json(_unfenced(reference))
    if not isinstance(wanted, dict | list):
        return None
    said = _parse_json(_unfenced(answer))
    if said is None:
        inside = re.search(r"[\[{].*[\]}]", answer, re.DOTALL)
        embedded = _parse_json(inside[0]) if inside else None
        return unsure("text_around") if embedded == wanted else wrong("not_json")
    return right("same_json") if said == wanted else wrong("other_values")


def _parse_json(source: str) -> object:
    try:
        return parse_json(source)
    except ValueError:
        return None


def _python(answer: str, reference: str) -> Judgement | None:
    wanted = _parse_python(_unfenced(reference))
    if wanted is None:
        return None
    said = _parse_python(_unfenced(answer), strict=False)
    if said is None:
        return wrong("not_code")
    left, right_tree = _canonical(said), _canonical(wanted)
    if left == right_tree:
        return right("same_code")
    shape = r"'[^']*'|\b[-+]?\d+(?:\.\d+)?\b|\b(?:Add|Sub|Mult|Div|FloorDiv|Mod|Pow|Lt|LtE|Gt|GtE|Eq|NotEq|And|Or|Is|IsNot|In|NotIn)\(\)"
    alike = re.sub(shape, "", left) == re.sub(shape, "", right_tree)
    return wrong("other_code") if alike or _defined(said) != _defined(wanted) else unsure("code_differs")


def _parse_python(source: str, strict: bool = True) -> ast.Module | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    telling = (
        ast.FunctionDef,
        ast.ClassDef,
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.For,
        ast.While,
        ast.If,
        ast.Return,
        ast.With,
    )
    tells = any(
        isinstance(one, telling) or isinstance(one, ast.Expr) and isinstance(one.value, ast.Call | ast.ListComp)
        for one in tree.body
    )
    return tree if tells or not strict else None


def _defined(tree: ast.Module) -> set[str]:
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.ClassDef)}


class _Canonical(ast.NodeTransformer):
    """Rename arguments and local names by their order; drop docstrings and annotations."""

    def __init__(self, local: set[str]) -> None:
        self.local, self.names = local, {}

    def _rename(self, name: str) -> str:
        return self.names.setdefault(name, f"v{len(self.names)}") if name in self.local else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._rename(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self._rename(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
        return self.generic_visit(node)


def _canonical(tree: ast.Module) -> str:
    local = {one.arg for one in ast.walk(tree) if isinstance(one, ast.arg)}
    local |= {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return ast.dump(_Canonical(local).visit(tree))


def _sql(answer: str, reference: str) -> Judgement | None:
    wanted = _unfenced(reference)
    if not _SQL.match(wanted):
        return None
    left, other = _sql_tokens(_unfenced(answer)), _sql_tokens(wanted)
    if left == other:
        return right("same_code")
    return (
        unsure("code_differs")
        if len(left) > 3 and left[0] == other[0] and abs(len(left) - len(other)) > 2
        else wrong("other_code")
    )


def _sql_tokens(source: str) -> list[str]:
    found = _TOKEN.findall(source.strip().rstrip("; "))
    return [one if one[0] in "'\"" else one.strip("`").lower() for one in found]


def _code(answer: str, reference: str) -> Judgement | None:
    """Code of other languages: the same tokens, or else not told."""
    wanted = _unfenced(reference)
    if not _is_code(wanted):
        return None
    left, other = _TOKEN.findall(_unfenced(answer).rstrip("; ")), _TOKEN.findall(wanted.rstrip("; "))
    if left == other:
        return right("same_code")
    return wrong("other_code") if abs(len(left) - len(other)) <= 2 or not left else unsure("code_differs")


def _is_code(source: str) -> bool:
    spoken = text.IS_CJK.search(re.sub(r"(['\"]).*?\1|//.*|#.*", "", source)) or source.endswith(".")
    return not spoken and _CODE.search(source) is not None


def _numbered(answer: str, reference: str) -> Judgement | None:
    wanted = _numbered_items(reference)
    if len(wanted) < 2:
        return None
    said = _numbered_items(answer)
    if len(said) < 2:
        said = [_item(one) for one in re.split(r"[,;。\n]|->|→|然后|再|最后|接着", answer) if _item(one)]
    if said == wanted:
        return right("same_list")
    if sorted(said) == sorted(wanted):
        return wrong("other_order")
    missing = [one for one in wanted if one not in said]
    return (
        wrong("missing_item", item=missing[0])
        if missing
        else wrong("extra_item", item=next(one for one in said if one not in wanted))
    )


def _numbered_items(source: str) -> list[str]:
    marks = list(_BULLET.finditer(text.fold(source)))
    numbers = [one[1] or one[2] or str("①②③④⑤⑥⑦⑧⑨⑩".find(one[3] or "①") + 1) for one in marks]
    if len(marks) < 2 or [int(one) for one in numbers] != list(range(int(numbers[0]), int(numbers[0]) + len(numbers))):
        return []
    return [_item(one) for one in _BULLET.split(text.fold(source))[4::4]]


def _item(source: str) -> str:
    return _ITEM_SUFFIX.sub("", text.skeleton(source)) if len(text.skeleton(source)) > 1 else text.skeleton(source)


def _list(answer: str, reference: str) -> Judgement | None:
    """Lists without numbers, as sets."""
    wanted = _items(reference)
    if (
        len(wanted) < 2
        or max(map(len, wanted)) > LONGEST_ITEM
        or not re.search(r"[、/|]|\n|(?:^[^,]{1,8}(?:,[^,。]{1,8}){2,}$)", text.fold(reference).strip("。."))
    ):
        return None
    if not _LISTED.search(text.fold(reference)) and _SPOKEN.search(reference):
        return None
    said = _items(answer)
    if len(said) < 2 and text.skeleton(answer) in ("".join(wanted), text.skeleton(reference)):
        return right("same_list")
    if set(said) == set(wanted):
        return right("same_list")
    missing, extra = [one for one in wanted if one not in said], [one for one in said if one not in wanted]
    if len(said) < 2 and len(text.skeleton(answer)) > 2 * len("".join(wanted)):
        return unsure("list_in_sentence")
    return wrong("missing_item", item=missing[0]) if missing else wrong("extra_item", item=extra[0])


def _items(source: str) -> list[str]:
    folded = text.fold(source).strip("。. !")
    first = re.split(r"[。!?]", folded)[0] if "\n" not in folded else folded
    pieces = (
        _DASH.split(first)
        if _DASH.search(first)
        else _SEPARATORS.split(_LEAD_IN.sub("", first) if _SEPARATORS.search(_LEAD_IN.sub("", first)) else first)
    )
    return [item for one in pieces if (item := _item(one))]
