"""easyAIGC: fine-tune ChatGLM-class models at home, see what changed, share the result.

Rooms, in the direction data flows (imports never go back):
models -> data -> training -> runs -> serving -> evaluation; `ui` and `state` alone know Streamlit.
"""

__version__ = "0.1.0"
