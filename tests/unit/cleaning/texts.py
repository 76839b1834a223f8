"""Texts for property tests: whatever a hostile or a clumsy writer may type."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = (
    *("great", "Tea", "NOT", "i", "very", "don't", "DON'T", "dont", "won't", "wont", "can't", "cannot", "I've", "it's"),
    *(
        "'tis",
        "'t",
        "don’t",
        "donâ€™t",
        "didn´t",
        "'",
        '"',
        "`",
        "5oz",
        "6-pack",
        "v2's",
        "٣x",
        "½",
        "café",
        "\u0130",
        "\u212a",
    ),
    *(" ", "  ", "\n", "\t", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\xa0", "\u2028", "\u200b"),
    *("\x00", "\x01", "\x1f", "\x7f", "\ufeff", "\ufffe", "\U0001f600"),
    *("<br />", "<br>", "<BR/>", "</br>", "<p>", "</p>", "<b>", "</b>", "<a href=x>", "<a href='x y'>", "</a>"),
    *('<a href="', '">', '<a href=" Pancake</a>', '<span class="tiny">', "</span>", "<img src=x>", "<o:p>", "<x<y>"),
    *(
        "<",
        ">",
        "<3",
        "< b",
        "</",
        "<!",
        "<?",
        "<!-- c -->",
        "<!--",
        "-->",
        "<!DOCTYPE html>",
        "<![CDATA[x]]>",
        "<?pi x?>",
    ),
    *("<script>", "</script>", "<style>", "</style>", "<template>", "</template>", "<noscript>", "</noscript>"),
    *("<table>", "<tr>", "<td>", "</table>", "<ul>", "<li>", "<select>", "<option>", "<textarea>", "</textarea>"),
    *("<title>", "</title>", "<head>", "<body>", "</body>", "<html>", "</html>", "<frameset>", "<plaintext>", "<xmp>"),
    *("<ruby>", "<rt>", "</rt>", "<svg>", "<math>", "<iframe>", "</iframe>", "<pre>", "</pre>", "<form>", "<input>"),
    *("&", " & ", "&&", "M&M's", "AT&T", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;", "&#039;", "&#x27;"),
    *("&amp;#39;", "&amp;lt;", "&amp;amp;quot;", "&nbsp;", "&nbsp", "&eacute;", "&eacute", "&bogus;", "&#0;", "&#65;"),
    *("&#xD800;", "&#9999999;", "&#;", "&;", "&rsquo;", "&ampx"),
    *("http", "http://", "http://a.b/c?d=e", "https://x.y", "HTTP://X.Y", "www.", "www.a.com", "awww.so", "httpx"),
)

hostile = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join) | st.text(max_size=40)
