// Lets the keyboard scroll what is wider than the window: the theme wraps each table once the page is there.
addEventListener("load", () => {
  for (const each of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) each.tabIndex = 0;
});
