"""easyAIGC: fine-tune ChatGLM-class models at home, see what changed, share the result.

Rooms, in the direction data flows (imports never go back):
models -> data -> training -> runs -> serving -> evaluation; `ui` and `state` alone know Streamlit.
"""

import os

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning: with a server, a trainer and a browser on two cores, spinning made both
# ten times slower. It has to be said before torch is imported, and trainers inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
