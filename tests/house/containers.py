"""Find every container in the package that may live longer than a call, by the form of the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.rules import Function, modules

# What makes a container that can grow, by the last part of the name that is called.
MAKERS = {
    "dict", "list", "set", "bytearray", "defaultdict", "Counter", "OrderedDict", "ChainMap", "deque", "Queue",
    "LifoQueue", "PriorityQueue", "SimpleQueue", "WeakValueDictionary", "WeakKeyDictionary", "WeakSet", "TTLCache",
    "LRUCache",
}  # fmt: skip
CACHES = {"cache", "lru_cache"}
GROWS = {
    "add", "append", "appendleft", "extend", "insert", "update", "setdefault", "put_nowait", "put", "__setitem__",
}  # fmt: skip
DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)


def containers(root: Path) -> Iterator[str]:
    """Name them: `module:NAME` that the module changes, `module:Class.attribute`, `module:function` that is cached.

    An attribute counts where a method or the class assigns it a container, whoever changes it. Which objects live as
    long as the app the form does not tell: who adds one has to say so.
    """
    for name, tree, _ in modules(root):
        found = {*_cached(tree), *_globals(tree), *_attributes(tree)}
        yield from (f"{name}:{each}" for each in sorted(found))


def _cached(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from (node.name for each in node.decorator_list if _last_name(each) in CACHES)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                ast.unparse(target) for target in targets for each in ast.walk(node.value) if _makes_cache(each)
            )
        elif isinstance(node, ast.keyword) and any(map(_makes_cache, ast.walk(node.value))):
            yield f"{node.arg}="


def _makes_cache(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _last_name(node) in CACHES and bool(node.args or node.keywords)


def _globals(tree: ast.Module) -> Iterator[str]:
    made = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _makes_container(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in GROWS and name in made:
                yield name
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()) if name in made:
                yield name
            case ast.AugAssign(target=ast.Name(id=name)) if name in made:
                yield name
            case _:
                pass


def _attributes(tree: ast.Module) -> Iterator[str]:
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        for node in owner.body:
            if isinstance(node, ast.AnnAssign | ast.Assign) and (_makes_container(node.value) or _factory(node.value)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                yield f"{owner.name}.{ast.unparse(target)}"
        for inner in ast.walk(owner):
            pairs: list[tuple[ast.expr, ast.expr | None]] = []
            match inner:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                        pairs += zip(target.elts, value.elts, strict=False) if both else [(target, value)]  # type: ignore[attr-defined]
                case ast.AnnAssign(target=target, value=value):
                    pairs.append((target, value))
                case _:
                    pass
            for target, made in pairs:
                match target:
                    case ast.Attribute(value=ast.Name(id="self"), attr=attr) if _makes_container(made):
                        yield f"{owner.name}.{attr}"
                    case _:
                        pass


def _makes_container(value: ast.expr | None) -> bool:
    """Tell whether an expression makes a container; one of a class of ours is found at that class."""
    match value:
        case ast.BoolOp(values=values):
            return any(map(_makes_container, values))
        case ast.IfExp(body=body, orelse=orelse):
            return _makes_container(body) or _makes_container(orelse)
        case ast.Call():
            return _last_name(value) in MAKERS
        case _:
            return isinstance(value, DISPLAYS)


def _factory(value: ast.expr | None) -> bool:
    """Tell whether a field of a dataclass or a struct has a factory of containers."""
    if not isinstance(value, ast.Call) or _last_name(value) != "field":
        return False
    return any(each.arg == "default_factory" and _last_name(each.value) in MAKERS for each in value.keywords)


def _last_name(node: ast.expr) -> str | None:
    """Return the last part of what is named or called: `deque` of `collections.deque[int](…)`."""
    match node:
        case ast.Call(func=func):
            return _last_name(func)
        case ast.Subscript(value=value):
            return _last_name(value)
        case ast.Attribute(attr=attr):
            return attr
        case ast.Name(id=name):
            return name
        case _:
            return None
