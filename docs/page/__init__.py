"""The page that answers in the browser: ``python -m docs.page OUT`` builds it. See docs/try.md."""
