"""Writes the made pages of docs/ and removes those that are made no more: `./dev docs`."""

from tests.docs.pages import DOCS, pages, written

made = pages()
for name in sorted(written() - set(made)):
    (DOCS / name).unlink()
    print(f"removed docs/{name}")
for name, text in made.items():
    path = DOCS / name
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
        print(f"wrote docs/{name}")
