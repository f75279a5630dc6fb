r"""What models write every day, and what must come through all of it: nothing here means any harm.

``OPENINGS`` are beginnings of an answer after which code follows; some leave a mark hanging that nothing closes.
``CONSTRUCTS_AND_MESSAGES`` is a table of whole short answers and of what is sent for them.
"""

from __future__ import annotations

CODE = 'curl -fsS "https://api.example.org/v1/items?limit=10&sort=-date" | jq \'.items[] | "\\(.id) **\\(.name)**"\''
"""Code with an address that is no source: exact or lost."""

OPENINGS: dict[str, str] = {
    "nothing": "",
    "a sentence": "Run this command.",
    "a question": "Which version do you run? Then:",
    "a heading": "# Setup",
    "a numbered heading": "## 1. Setup",
    "a heading with code": "### The `setup` command",
    "a settings list": "- **`OPENAI_API_KEY`**: the key\n- **`OPENAI_BASE_URL`**: where to ask",
    "one setting": "- **`OPENAI_API_KEY`**: the key",
    "settings with defaults": "- `TOP_K` (default `6`): how many passages\n- `LOG_LEVEL` (default `INFO`)",
    "settings in stars": "* **Host**: `0.0.0.0`\n* **Port**: `8080`",
    "settings in a table": "| Name | Meaning |\n|---|---|\n| `TOP_K` | passages |",
    "keyword arguments": "It takes **kwargs and hands them on.",
    "arguments": "It takes *args and **kwargs.",
    "a signature": "The signature is def f(*args, **kwargs) -> None.",
    "arguments in code": "It takes `**kwargs` and hands them on.",
    "a pointer": "The type is char **argv, an array of char *.",
    "a glob": "The logs are in /var/log/*.log and rotate daily.",
    "two globs": "Copy src/*.py and tests/*.py.",
    "a glob over folders": "It matches docs/**/*.md below the root.",
    "a negated glob": "Ignore everything but !/docs/** in the repository.",
    "a cron line": "It runs at 0 * * * * by default.",
    "a cron line with steps": "Use */5 * * * * for every five minutes.",
    "a cron line for working days": "The report is sent at 30 8 * * 1-5.",
    "a logical or": "Write a || b, not a or b.",
    "two logical ors": "The condition is a || b || c.",
    "a shell or": "Use make || true so that it goes on.",
    "a shell pipe": "Pipe it: ps aux | grep docent | wc -l.",
    "a power": "2**10 is 1024.",
    "two powers": "2**10 is 1024 and 2**16 is 65536.",
    "a product": "The area is 3 * 4 * 5.",
    "a product without spaces": "The area is 3*4*5.",
    "a footnote star": "Prices are net*.\n\n*Taxes are added at checkout.",
    "one star": "Rated 4.5* by users.",
    "a dunder": "Override __init__ and __repr__.",
    "one dunder": "Set __slots__ in the class.",
    "a dunder module": "Run it as __main__.py from the folder.",
    "snake case": "Set max_tokens_per_day and top_k.",
    "a leading underscore": "The attribute _cache is private.",
    "two leading underscores": "The attributes __a and __b are mangled.",
    "a trailing underscore": "Name it class_ or id_.",
    "an approximation": "It takes ~5 minutes, at most ~~10.",
    "a home folder": "It is in ~/.config/docent and ~root.",
    "a struck price": "~~$20~~ $15 per month.",
    "a backtick alone": "The ` key is left of 1.",
    "two backticks alone": "Templates use `` in Go.",
    "an apostrophe as a backtick": "Don`t do this.",
    "a quoted backtick": 'A "`" begins a command substitution.',
    "a double backtick": "Write `` `code` `` for code.",
    "code with a star": "Use `*` for everything and `**` for below.",
    "code with a bracket": "Index with `items[0]` or `items[-1]`.",
    "code at the line's end": "The command is `docent serve`",
    "code over a line": "The command is `docent serve\n--port 8080`.",
    "a wrapped link": "See the [handbook\nof the team](https://docs.example.com/handbook).",
    "a link": "See [the handbook](https://docs.example.com/handbook).",
    "a link with brackets": "See [the [new] handbook](https://docs.example.com/handbook).",
    "a bare address": "See https://docs.example.com/handbook.",
    "an address in brackets": "(see https://docs.example.com/handbook)",
    "an address in angle brackets": "See <https://docs.example.com/handbook>.",
    "a reference link": "See [the handbook][1].\n\n[1]: https://docs.example.com/handbook",
    "an image": "![The screen](https://docs.example.com/handbook/a.png)",
    "a citation": "The limit is 100 requests [1].",
    "two citations": "The limit is 100 requests [1][2].",
    "a citation before a colon": "From the handbook [1]:",
    "an interval": "The value lies in [0, 1].",
    "a half-open interval": "The value lies in [0, 1).",
    "an index": "The first is a[0], the last a[-1].",
    "an open bracket": "Type [ and then a name.",
    "a closing bracket": "End it with ].",
    "a task list": "- [x] Install\n- [ ] Configure",
    "a type": "It returns list[dict[str, int]].",
    "a generic type": "It returns Map<String, List<Integer>>.",
    "a comparison": "If a < b and c > d, stop.",
    "a tag": "Put it in the <head> element.",
    "an unclosed tag": "Use <br> for a break.",
    "a placeholder": "Replace <your-token> by the token.",
    "a placeholder in capitals": "Run it with --token <TOKEN>.",
    "an e-mail address": "Write to <help@example.com>.",
    "an entity": "Write &lt; for < and &amp; for &.",
    "a redirection": "Use > to write and >> to append.",
    "a prompt": "$ docent serve",
    "a comment": "# this is a comment, not a heading",
    "a preprocessor line": "#include <stdio.h> comes first.",
    "a hashtag": "Ask in #help or in #dev.",
    "a name": "Ask @docs or somebody of @team.",
    "a quote": "> To be answered within a day.",
    "a quote over lines": "> One\n> Two\n>\n> Three",
    "a nested quote": "> One\n>> Two",
    "a bullet list": "- one\n- two\n  - three",
    "a list with plus signs": "+ one\n+ two",
    "a numbered list": "1. one\n2. two\n3. three",
    "a numbered list with brackets": "1) one\n2) two",
    "a list with paragraphs": "1. One.\n\n   More of it.\n\n2. Two.",
    "a dash": "The result - as always - is exact.",
    "a signed number": "It rose by + 20 and fell by - 5.",
    "a rule": "Above\n\n---\n\nBelow",
    "a formula": "The mean is $\\bar{x} = \\frac{1}{n}\\sum_i x_i$.",
    "a formula in brackets": "The mean is \\(\\bar{x}\\).",
    "a formula by itself": "\\[ E = mc^2 \\]",
    "a price": "It costs $5 or $50 a year.",
    "a regular expression": "It matches ^[a-z_]+\\*?$ only.",
    "an escaped regular expression": "It matches f\\(x\\) and \\[0-9\\]\\*.",
    "a Windows path": "It is in C:\\Users\\me\\*.txt.",
    "a network path": "It is in \\\\server\\share.",
    "an environment variable": "Set $HOME and ${HOME}/bin and %PATH%.",
    "a template": "Write {{ name }} or {% if a %}.",
    "an emoticon": "That is all ¯\\_(ツ)_/¯",
    "bold": "**Note:** this needs a restart.",
    "bold over code": "**Run `docent serve`** first.",
    "bold left open": "**Note: this needs a restart.",
    "italics": "*Note:* this needs a restart.",
    "bold italics": "***Important***: this needs a restart.",
    "an ellipsis of stars": "The token is ******** in the log.",
    "a censored word": "What the f*** happened?",
    "a multiplication sign in a name": "Use a 4*4 grid, or an 8*8 one.",
    "a tilde fence": "~~~\ncode\n~~~",
    "another fence": "```sh\necho hi\n```",
    "a fence with a title": '```ts title="a.ts"\nconst a = 1;\n```',
    "a fence with backticks": "````md\n```sh\necho hi\n```\n````",
    "Chinese": "请运行以下命令。**重要**。",
    "Japanese": "次のコマンドを実行してください。※必須",
    "Korean": "다음 명령을 실행하세요.",
    "Arabic": "\u0634\u063a\u0651\u0644 \u0647\u0630\u0627 \u0627\u0644\u0623\u0645\u0631:",
    "Hebrew": "\u05d4\u05e4\u05e2\u05dc \u05d0\u05ea \u05d4\u05e4\u05e7\u05d5\u05d3\u05d4 \u05d4\u05d6\u05d5:",
    "emoji": "🚀 Ready? 👩‍💻 Go! 🇩🇪",
}
"""Beginnings of an answer, by name."""

AS_WRITTEN = ""
"""Said of a text that is sent as the model wrote it."""

CONSTRUCTS_AND_MESSAGES: dict[str, tuple[str, str]] = {
    "settings": (
        (
            (
                "- **`OPENAI_API_KEY`**: the key\n"
                "- **`OPENAI_BASE_URL`**: the address, for example `https://llm.example.org/v1`\n"
                "- **`TOP_K`** (default `6`): how many passages"
            ),
            AS_WRITTEN,
        )
    ),
    "an environment file": (
        "```dotenv\nDISCORD_TOKEN=abc\nOPENAI_BASE_URL=https://llm.example.org/v1\n```",
        AS_WRITTEN,
    ),
    "a command": ("Run `docent serve --port 8080`.", AS_WRITTEN),
    "a command in a block": (f"```sh\n{CODE}\n```", AS_WRITTEN),
    "a command in a block without a language": (f"```\n{CODE}\n```", AS_WRITTEN),
    "a command on the fence's line": ("```bash echo hi\necho there\n```", "-# `echo hi`\n```bash\necho there\n```"),
    "a title on the fence's line": (
        '```ts title="a.ts"\nconst a = 1;\n```',
        '-# `title="a.ts"`\n```ts\nconst a = 1;\n```',
    ),
    "a file name on the fence's line": (
        "```python bot/app.py\nprint('hi')\n```",
        "-# `bot/app.py`\n```python\nprint('hi')\n```",
    ),
    "highlighted lines on the fence's line": (
        "```js {1,3-5} showLineNumbers\nlet a = 1;\n```",
        "-# `{1,3-5} showLineNumbers`\n```js\nlet a = 1;\n```",
    ),
    "a block within a list": (
        "1. Install:\n   ```sh\n   pip install docent\n   ```\n2. Run it.",
        "1. Install:\n\n```sh\npip install docent\n```\n2. Run it.",
    ),
    "a block within a quote": ("> Use this:\n> ```py\n> print('hi')\n> ```", AS_WRITTEN),
    "a block of Markdown": ("````md\n```sh\necho hi\n```\n````", "```md\n`` `sh\necho hi\n`` `\n```"),
    "a diff": ("```diff\n- a = 1\n+ a = 2\n```", AS_WRITTEN),
    "indented code": (
        "Use this:\n\n    pip install docent\n\nThen run it.",
        "Use this:\n\n```\npip install docent\n```\n\nThen run it.",
    ),
    "code with backticks": ("Write `` `a` `` to get `a`.", AS_WRITTEN),
    "keyword arguments": (
        "def f(*args, **kwargs) calls g(*args, **kwargs).",
        "def f(\\*args, \\*\\*kwargs) calls g(\\*args, \\*\\*kwargs).",
    ),
    "a glob": ("Rotate /var/log/*.log and /var/log/**/*.gz.", "Rotate /var/log/\\*.log and /var/log/\\*\\*/\\*.gz."),
    "a cron line": ("`0 * * * *` runs hourly; 0 0 * * 0 runs weekly.", AS_WRITTEN),
    "logical operators": (
        "a || b is true unless both are false; a && b needs both.",
        "a \\|\\| b is true unless both are false; a && b needs both.",
    ),
    "powers": ("2**10 = 1024, and 2 ** 16 = 65536.", "2\\*\\*10 = 1024, and 2 \\*\\* 16 = 65536."),
    "dunders": ("__init__ is called by __new__'s caller.", "\\_\\_init\\_\\_ is called by \\_\\_new\\_\\_'s caller."),
    "snake case": ("Set max_tokens_per_day, then reload_index.", "Set max\\_tokens\\_per\\_day, then reload\\_index."),
    "a regular expression": ("`^\\[(?P<name>[^\\]]+)\\]$` finds a section; ^\\d{3}$ three digits.", AS_WRITTEN),
    "escaped signs": ("f\\(x\\) matches f(x), and \\[0-9\\] a class.", AS_WRITTEN),
    "Windows paths": ("Copy C:\\new\\*.txt to \\\\server\\share\\.", AS_WRITTEN),
    "paths": (
        "See ~/.config/docent/config.toml and ../data/_index/.",
        "See ~/.config/docent/config.toml and ../data/\\_index/.",
    ),
    "placeholders": ("Replace <token> and <your-name> in `docent --token <token>`.", AS_WRITTEN),
    "generic types": ("Map<String, List<Integer>> and Vec<u8>.", AS_WRITTEN),
    "arrows": ("a -> b => c <- d <= e >= f != g", AS_WRITTEN),
    "a table": (
        "| Name | Role |\n|------|------|\n| Christopher | Admin |\n| Bo | Member |",
        "```\nName          Role\n────────────  ──────\nChristopher   Admin\nBo            Member\n```\n",
    ),
    "a table with alignment": ("| a | b |\n|:--|--:|\n| 1 | 2 |", "```\na     b\n────  ─\n1     2\n```\n"),
    "a table with code": (
        "| Name | Value |\n|---|---|\n| `a|b` | `c \\| d` |",
        "```\nName  Value\n────  ────────\n`a    b|c | d`\n```\n",
    ),
    "a table without outer bars": ("a | b\n--|--\n1 | 2", "```\na     b\n────  ─\n1     2\n```\n"),
    "a table of names": (
        (
            (
                "| Name | Team |\n|---|---|\n| Al | Platform |\n| Bo | Platform |\n| Cy | Data |\n| Di | Data |\n"
                "| Ed | Support |\n| Flo | Support |\n| Christopher Robin | Documentation |"
            ),
            (
                "```\n"
                "Name                  Team\n"
                "────────────────────  ─────────────\n"
                "Al                    Platform\n"
                "Bo                    Platform\n"
                "Cy                    Data\n"
                "Di                    Data\n"
                "Ed                    Support\n"
                "Flo                   Support\n"
                "Christopher Robin     Documentation\n"
                "```\n"
            ),
        )
    ),
    "tasks": ("- [x] Install\n- [ ] Configure\n  - [ ] Token", "- ☑ Install\n- ☐ Configure\n  - ☐ Token"),
    "an admonition of GitHub": ("> [!NOTE]\n> Needs a restart.", "> **Note**\n> Needs a restart."),
    "an admonition with colons": (":::warning\nNeeds a restart.\n:::", "**Warning**\nNeeds a restart.\n"),
    "an admonition of MkDocs": ("!!! note\n    Needs a restart.", "**Note**\n    Needs a restart."),
    "a formula in dollars": (
        "The mean is $\\bar{x}$, and $$E = mc^2$$ is known.",
        "The mean is `\\bar{x}`, and `E = mc^2` is known.",
    ),
    "a formula in brackets": (
        "The mean is \\(\\bar{x}\\).\n\\[ \\sum_{i=1}^{n} x_i^2 \\]",
        "The mean is `\\bar{x}`.\n```tex\n\\sum_{i=1}^{n} x_i^2\n```",
    ),
    "prices": ("It costs $5 a month or $50 a year.", AS_WRITTEN),
    "probabilities": ("The score lies in [0, 1]; choose one of [1, 2].", AS_WRITTEN),
    "citations": (
        "The limit is 100 [1]. It resets daily [1][2].",
        "The limit is 100 [[1]](<https://docs.example.com/handbook>). It resets daily [[1]](<https://docs.example.com/handbook>)[2].",
    ),
    "citations in other spellings": (
        "The limit is 100【1†source】. It resets daily[^2].\n\n[^2]: The handbook",
        "The limit is 100[[1]](<https://docs.example.com/handbook>). It resets daily[2].\n\n[^2]: The handbook",
    ),
    "footnotes": (
        "It resets daily[^1].\n\n[^1]: At midnight.",
        "It resets daily[[1]](<https://docs.example.com/handbook>).\n\n[^1]: At midnight.",
    ),
    "nested quotes": ("> One\n> > Two\n> > > Three\n> One again", "> One\n> » Two\n> » » Three\n> One again"),
    "a quote with code": (
        "> Run `a` and **b**:\n>\n> ```sh\n> a --b\n> ```",
        "> Run `a` and **b**:\n> \n> ```sh\n> a --b\n> ```",
    ),
    "nested lists": ("- one\n  - two\n    - three\n- four", AS_WRITTEN),
    "a numbered list from five": ("5. five\n6. six", AS_WRITTEN),
    "a list with signs": ("+ 20 express\n- 5 discount\n* 2 pieces", "\\+ 20 express\n- 5 discount\n* 2 pieces"),
    "a definition list": ("Term\n: What it means", AS_WRITTEN),
    "headings of six levels": ("# a\n## b\n### c\n#### d\n##### e\n###### f", "# a\n## b\n### c\n**d**\n**e**\n**f**"),
    "underlined headings": ("Title\n=====\n\nSection\n-------", "# Title\n\n## Section\n"),
    "a rule": ("Above\n\n---\n\nBelow\n\n***", "Above\n\n────────────\n\nBelow\n\n────────────"),
    "hard line breaks": ("One  \nTwo\\\nThree<br>Four", "One\nTwo\nThree\nFour"),
    "HTML": (
        "H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>+<kbd>C</kbd>, <mark>so</mark> and <u>so</u>.",
        "H₂O, x², `Ctrl`+`C`, **so** and __so__.",
    ),
    "an HTML list": ("<ul><li>one</li><li>two</li></ul>", "• one\n• two"),
    "HTML details": (
        "<details>\n<summary>More</summary>\n\nHidden words.\n\n</details>",
        "**More**\n\nHidden words.\n\n",
    ),
    "HTML comments": ("Shown.<!-- hidden -->\n<!--\nhidden\n-->\nShown too.", "Shown.\nShown too."),
    "entities": (
        "a &lt; b &amp;&amp; c &gt; d, &copy; 2024&nbsp;Docent, it&#39;s",
        "a \\< b && c > d, © 2024 Docent, it's",
    ),
    "an image": (
        "![The screen](https://docs.example.com/handbook/a.png)",
        "[The screen (image)]\\(hxxps://docs[.]example[.]com/handbook/a.png)",
    ),
    "a badge": (
        "[![build](https://img.example.org/b.svg)](https://ci.example.org)",
        "[build (image)]\\(hxxps://ci[.]example[.]org)",
    ),
    "an HTML link": (
        '<a href="https://docs.example.com/handbook">the handbook</a>',
        "[the handbook](<https://docs.example.com/handbook>)",
    ),
    "links": (
        "[the handbook](https://docs.example.com/handbook), <https://docs.example.com/handbook>",
        "[the handbook](<https://docs.example.com/handbook>), <https://docs.example.com/handbook>",
    ),
    "a wrapped link": (
        "See [the handbook\nof the team](https://docs.example.com/handbook).",
        "See [the handbook of the team](<https://docs.example.com/handbook>).",
    ),
    "a reference link": (
        "See [the handbook][h].\n\n[h]: https://docs.example.com/handbook",
        "See [the handbook][h].\n\n[h]: <https://docs.example.com/handbook>",
    ),
    "front matter": (
        "---\ntitle: Setup\ntags: [a, b]\n---\n\n# Setup",
        "```yaml\ntitle: Setup\ntags: [a, b]\n```\n\n# Setup",
    ),
    "JSON": ('```json\n{"a": [1, 2], "url": "https://api.example.org"}\n```', AS_WRITTEN),
    "JSON in a line": ('Send {"a": [1], "b": "*"} as the body.', 'Send {"a": [1], "b": "\\*"} as the body.'),
    "YAML": ("```yaml\non:\n  push:\n    branches: ['**']\n```", AS_WRITTEN),
    "SQL": (
        "`SELECT * FROM a WHERE b LIKE '%_c%'` and SELECT count(*) FROM d.",
        "`SELECT * FROM a WHERE b LIKE '%_c%'` and SELECT count(\\*) FROM d.",
    ),
    "a log line": ("2024-05-01 12:00:00,123 [INFO] docent.app: ready (pid=1) <0.5s>", AS_WRITTEN),
    "a stack trace": (
        "```\nTraceback (most recent call last):\n  File 'a.py', line 1, in <module>\nKeyError: 'b'\n```",
        AS_WRITTEN,
    ),
    "a conversation": ("**User:** Hello?\n**Bot:** _Hi!_", AS_WRITTEN),
    "thinking aloud": ("<think>The user wants the limit.</think>The limit is 100.", "The limit is 100."),
    "a sentence about thinking": ("The model writes its reasoning between `<think>` and `</think>`.", AS_WRITTEN),
    "Chinese": (
        "请在**设置**中打开`TOP_K`。详见《手册》[1]。",
        "请在**设置**中打开`TOP_K`。详见《手册》[[1]](<https://docs.example.com/handbook>)。",
    ),
    "Japanese": (
        "「設定」を開き、**保存**を押します。詳細は[1]を参照。",
        "「設定」を開き、**保存**を押します。詳細は[[1]](<https://docs.example.com/handbook>)を参照。",
    ),
    "Korean": ("**설정**에서 `TOP_K`를 여세요.", AS_WRITTEN),
    "Arabic": (
        "\u0627\u0641\u062a\u062d **\u0627\u0644\u0625\u0639\u062f\u0627\u062f\u0627\u062a** (`TOP_K`) [1].",
        "\u0627\u0641\u062a\u062d **\u0627\u0644\u0625\u0639\u062f\u0627\u062f\u0627\u062a** (`TOP_K`) [[1]](<https://docs.example.com/handbook>).",
    ),
    "Hebrew": (
        "\u05e4\u05ea\u05d7 \u05d0\u05ea **\u05d4\u05d4\u05d2\u05d3\u05e8\u05d5\u05ea** (`TOP_K`) [1].",
        "\u05e4\u05ea\u05d7 \u05d0\u05ea **\u05d4\u05d4\u05d2\u05d3\u05e8\u05d5\u05ea** (`TOP_K`) [[1]](<https://docs.example.com/handbook>).",
    ),
    "Thai": ("เปิด **การตั้งค่า** แล้วเลือก `TOP_K`", AS_WRITTEN),
    "Devanagari": ("**सेटिंग्स** खोलें और `TOP_K` चुनें।", AS_WRITTEN),
    "emoji": ("🚀 Ready 👩‍👩‍👧‍👦 and 🇩🇪, é and é.", AS_WRITTEN),
    "a spoiler": ("The answer is ||42||.", AS_WRITTEN),
    "times": ("Open 9:00-17:00, 24/7 on call, 10:30 a.m.", AS_WRITTEN),
    "versions": ("Python >=3.11,<3.13; ~=2.7.1; ^1.2.0; *", AS_WRITTEN),
    "a shell session": ("$ cd ~/docent && ls *.md | wc -l\n3", "$ cd ~/docent && ls \\*.md | wc -l\n3"),
    "keys": ("Press Ctrl+` or Ctrl+Shift+`.", AS_WRITTEN),
}
"""Whole short answers by name, each with what is sent for it; the first source has an address, the second has none."""

CONSTRUCTS = {name: text for name, (text, _) in CONSTRUCTS_AND_MESSAGES.items()}
"""Whole short answers, by name."""


def with_code_behind(opening: str) -> str:
    """An answer that begins like this and then shows a command in a block of code."""
    return f"{opening}\n\n```sh\n{CODE}\n```\n\nThat is all."


def with_code_in_line(opening: str) -> str:
    """An answer that begins like this and then names a command in a line."""
    return f"{opening}\n\nRun `{CODE}` then."
