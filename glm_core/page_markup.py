"""HTML and CSS that the frame of a page draws where Streamlit has no widget; `{names}` are filled in by `ui`."""

UPLOADER_STYLE = """<style>
[data-testid=stFileUploaderDropzoneInstructions] { display: none; }
[data-testid=stFileUploaderDropzone] > span button p { font-size: 0; }
[data-testid=stFileUploaderDropzone] > span button p::after { content: "{word}"; font-size: 0.875rem; }
</style>"""
CONNECTION_STYLE = """<style>
[data-testid=stConnectionStatus] label { font-size: 0; }
[data-testid=stConnectionStatus] label::after { content: "{words}"; font-size: 0.875rem; text-transform: none; }
[data-testid=stStatusWidget] [data-testid=stStatusWidgetRunningIcon] { display: none; }
[data-testid=stStatusWidget] button { font-size: 0; }
[data-testid=stStatusWidget] button::after { content: "{stop}"; font-size: 0.875rem; }
</style>"""
"""Streamlit's own words, in English only: CONNECTING while it cannot reach the server, for ever to a reader who was signed out elsewhere;
Stop, beside a running man, while a page is being drawn."""
SIGN_OUT = """<p style="margin:0;overflow-wrap:anywhere">{name} · <a href="/logout?lang={language}" target="_self" style="color: inherit">{words}</a></p>"""
SIGN_IN = """<p>{why}</p><a href="/login?lang={language}" target="_self" style="display: inline-block; padding: 0.4rem 1rem; border-radius: 0.375rem;
background: #1F7A63; color: #FFF; text-decoration: none">{words}</a>"""
REMEMBER_LANGUAGE = """<img src="/language/{language}" alt="" width="0" height="0" style="display: none">"""
"Lets the browser get its cookie: a page has no other way to set one."
