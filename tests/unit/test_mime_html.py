"""HTML to the text that a reader sees."""

from gateway.mime.html import to_text


def test_blocks_and_breaks_begin_lines() -> None:
    assert to_text("<div>a</div><div>b<br>c</div>d<p>e</p>") == "a\nb\nc\nd\ne"


def test_scripts_styles_and_comments_are_dropped() -> None:
    assert to_text("<head><title>t</title><style>p{}</style></head><script>x()</script><!-- c --><p>a</p>") == "a"


def test_hidden_elements_are_dropped() -> None:
    assert to_text('<p>a<span style="display:none">b</span><i hidden>c</i><b style="font-size:0px">d</b></p>') == "a"
    assert to_text('<p style="font-size:0.9em">small</p>') == "small"


def test_entities_and_blanks() -> None:
    assert to_text("<p>A &amp; B&nbsp;&#x3042;\n  C</p>") == "A & B あ C"


def test_words_split_by_markup_stay_whole() -> None:
    assert to_text("<p>返<b>金</b>し<span>ろ</span></p>") == "返金しろ"


def test_quotations_are_marked() -> None:
    assert (
        to_text("<div>mine</div><blockquote><p>yours</p>too</blockquote><div>end</div>") == "mine\n> yours\n> too\nend"
    )
    assert to_text('<div>mine</div><div class="gmail_quote">yours</div>') == "mine\n> yours"


def test_preformatted_text_keeps_its_lines() -> None:
    assert to_text("<pre>a\n  b</pre>") == "a\nb"


def test_broken_markup() -> None:
    assert to_text("<p>a<b>b</p>c") == "ab\nc"
    assert to_text("a < b") == "a < b"
    assert to_text("") == ""


def test_large_data_uris_do_not_hide_the_text() -> None:
    assert to_text(f'<p>a</p><img src="data:image/png;base64,{"A" * 50000}"><p>b</p>') == "a\nb"


def test_hostile_depth_still_gives_text() -> None:
    assert "返金" in to_text("<div>" * 5000 + "返金<script>x</script>")
