"""Chat templates: our own short one, and the wrapper by which a text-only template takes images."""

from __future__ import annotations

FLATTEN = """\
{%- set flat = namespace(messages=[]) -%}
{%- for message in messages -%}
{%- if message['content'] is string -%}
{%- set flat.messages = flat.messages + [message] -%}
{%- else -%}
{%- set joined = namespace(text='') -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}{%- set joined.text = joined.text + '<<IMAGE>>' -%}
{%- elif part['type'] in ['video', 'volume'] -%}{%- set joined.text = joined.text + '<<VOLUME>>' -%}
{%- else -%}{%- set joined.text = joined.text + part['text'] -%}{%- endif -%}
{%- endfor -%}
{%- set flat.messages = flat.messages + [dict(message, content=joined.text)] -%}
{%- endif -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""

FOLD = """\
{%- if messages | length > 1 and messages[0]['role'] == 'system' -%}
{%- set joined = messages[0]['content'] + '\\n' + messages[1]['content'] -%}
{%- set messages = [dict(messages[1], content=joined)] + messages[2:] -%}
{%- endif -%}
"""

SHORT = """\
{%- for message in messages -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- message['content'] -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""


def with_images(
    template: str, *, image_token: str = "<image>", video_token: str = "<volume>", fold_system: bool = False
) -> str:
    """The same template, but a message's content may be a list of text, image and video (volume) parts.

    Args:
        template: A Jinja chat template that knows only strings as content.
        image_token: Placeholder that stands for an image.
        video_token: Placeholder that stands for a volume.
        fold_system: Whether a system message is put before the user's text, for a template that knows no system.
    """
    flat = FLATTEN.replace("<<IMAGE>>", image_token).replace("<<VOLUME>>", video_token)
    return flat + FOLD * fold_system + template
