"""The windows of Gatekeeper in other languages, read as the English ones: the table knows those.

What varies between releases (which trash, which pronoun) is left out; the name of the app is taken as it stands.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 2_000
"""Characters of a line that are looked at: a window has three sentences."""
_APP: Final = (
    r"[\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u300c\u300e]\s{0,2}"
    r"(?P<app>[^\n\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f]{1,120}?)"
    r"\s{0,2}[\"'\u2018\u2019\u201c\u201d\u00bb\u300d\u300f]"
)
_NAMED: Final = rf"(?:(?:{_APP})|(?P<file>[\w.+-]{{1,60}}(?: [\w.+-]{{1,60}}){{0,3}}\.app))?[\s\u662f]{{0,3}}"
_DAMAGED: Final = "is damaged and can't be opened"
_UNVERIFIED: Final = "cannot be opened because the developer cannot be verified"
_UNCHECKED: Final = "cannot be opened because Apple cannot check it for malicious software"
_MALWARE: Final = "is free of malware that may harm your Mac"
_NAMELESS: Final = {
    _DAMAGED: f"{_DAMAGED}. You should move it to the Trash",
    _UNVERIFIED: "macOS cannot verify that this app is free from malware",
    _UNCHECKED: "macOS cannot verify that this app is free from malware",
    _MALWARE: "macOS cannot verify that this app is free from malware",
}
"""The words of each window that name no app."""
_WORDS: Final[tuple[tuple[str, str, str, str], ...]] = (
    # language, what must stand in the line, what is read, the English words
    ("Chinese", "损坏", r"(?:已\s?)损坏\s?[,\uff0c\u3001]?\s?(?:因此)?(?:无法|打不开|不能)", _DAMAGED),
    ("Chinese", "损坏", r"(?<=[\u201c\u300c\"])(?:\u5e94\u7528|\u6587\u4ef6|App|\u8f6f\u4ef6)?\u5df2\u635f\u574f(?=[\u201d\u300d\"])", _DAMAGED),
    ("Chinese", "損", r"(?:已\s?)(?:損毀|毀損|損壞)\s?[,\uff0c\u3001]?\s?(?:因此)?(?:無法|打不開|不能)", _DAMAGED),
    ("Japanese", "壊れて", r"(?:は|が)\s?壊れて(?:いる|おり)", _DAMAGED),
    ("Korean", "손상", r"\S{0,6}\s?손상되었기\s때문", _DAMAGED),
    ("German", "beschädigt", r"ist beschädigt und kann nicht geöffnet", _DAMAGED),
    ("French", "endommag", r"est endommagée? et ne peut (?:pas )?être ouvert", _DAMAGED),
    ("Spanish", "dañad", r"está dañad[oa] y no (?:se )?puede (?:abrirse|abrir)", _DAMAGED),
    ("Italian", "danneggiat", r"è danneggiat[oa] e non può essere apert", _DAMAGED),
    ("Portuguese", "danificad", r"está danificad[oa] e não pode ser abert", _DAMAGED),
    ("Russian", "поврежд", r"поврежде?н[аоы]?,? и (?:его |е[её] |их )?не (?:может|уда)", _DAMAGED),
    ("Dutch", "beschadigd", r"is beschadigd en kan niet worden geopend", _DAMAGED),
    ("Polish", "uszkodzon", r"jest uszkodzon[aye] i nie można", _DAMAGED),
    ("Swedish", "skada", r"är skada[td] och kan inte öppnas", _DAMAGED),
    ("Turkish", "hasar", r"hasar görmüş", _DAMAGED),
    ("German", "Entwickler", r"kann nicht geöffnet werden, da der Entwickler nicht (?:verifiziert|überprüft)", _UNVERIFIED),
    ("German", "Schadsoftware", r"kann nicht geöffnet werden, da Apple darin nicht nach Schadsoftware", _UNCHECKED),
    ("German", "Schad-Software", r"kann nicht geöffnet werden, da Apple darin nicht nach Schad-Software", _UNCHECKED),
    ("Portuguese", "malware", r"O macOS não pode verificar se este app está livre de malware", _UNCHECKED),
    ("French", "développeur", r"ne peut (?:pas )?être ouvert,? car le développeur", _UNVERIFIED),
    ("French", "malveillant", r"ne peut (?:pas )?être ouvert,? car Apple ne peut (?:pas )?vérifier", _UNCHECKED),
    ("Japanese", "開発元", r"は\s?[,\u3001]?\s?開発元(?:が未確認のため|を検証できないため)", _UNVERIFIED),
    ("Japanese", "検証", r"は\s?[,\u3001]?\s?Apple\s?による悪質なソフトウェアの有無の検証が", _UNCHECKED),
    ("Portuguese", "desenvolvedor", r"não pode ser abert[oa] porque o desenvolvedor", _UNVERIFIED),
    ("Korean", "개발자", r"개발자를 확인할 수 없기 때문", _UNVERIFIED),
)  # fmt: skip
"""Windows whose name of the app stands before the words, or nowhere."""
_AROUND: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    # language, what must stand in the line, before the name, behind it, the English words
    ("Chinese", "验证开发者", r"(?:无法|不能)打开\s?", r"[,\uff0c]?\s?因为无法验证开发者", _UNVERIFIED),
    ("Chinese", "身份不明", r"(?:无法|不能|打不开)(?:打开)?\s?", r"[,\uff0c]?\s?因为(?:它|其)?来自身份不明", _UNVERIFIED),
    ("Chinese", "恶意软件", r"(?:无法|不能)打开\s?", r"[,\uff0c]?\s?因为\s?Apple\s?无法检查", _UNCHECKED),
    ("Chinese", "恶意软件", r"Apple\s?无法验证\s?", r"\s?是否包含", _MALWARE),
    ("Chinese", "開發者", r"無法(?:打開|開啟)\s?", r"[,\uff0c]?\s?因為無法驗證開發者", _UNVERIFIED),
    ("French", "développeur", r"Impossible d[\u2019']ouvrir\s?", r",? car le développeur", _UNVERIFIED),
    ("French", "malveillant", r"confirmer que\s?", r" ne conten(?:ait|ant) pas de logiciel malveillant", _MALWARE),
    ("Spanish", "desarrollador", r"No se puede abrir\s?", r",? porque (?:no se puede verificar el|proviene de un) desarrollador", _UNVERIFIED),
    ("Spanish", "malicioso", r"No se puede abrir\s?", r",? porque Apple no puede comprobar", _UNCHECKED),
    ("Italian", "sviluppatore", r"Impossibile aprire\s?", r",? perché (?:lo sviluppatore non|proviene da uno sviluppatore)", _UNVERIFIED),
    ("Russian", "разработчик", r"Не уда(?:ется|лось) открыть\s?", r",? (?:так как|потому что) не удалось", _UNVERIFIED),
    ("German", "Schadsoftware", r"Apple konnte nicht (?:überprüfen|verifizieren), (?:ob|dass)\s?", r" (?:frei von|keine) Schadsoftware", _MALWARE),
)  # fmt: skip
"""Windows that name the app in the middle."""


def in_english(line: str) -> tuple[str, str] | None:
    """Return the language of a line that is one of Gatekeeper's windows, and the words the English window has.

    Args:
        line: One line with letters beside those of ASCII.
    """
    if len(line) > LONGEST:
        return None
    for language, key, words, english in _WORDS:
        if key in line and (match := re.search(_NAMED + words, line)):
            return language, _said(match["app"] or match["file"], english)
    for language, key, before, behind, english in _AROUND:
        if key in line and (match := re.search(before + _NAMED + behind, line)):
            return language, _said(match["app"] or match["file"], english)
    return None


def _said(app: str | None, english: str) -> str:
    if app is None:
        return _NAMELESS[english]
    name = f"\u201c{app}\u201d"
    return f"Apple could not verify {name} {english}" if english is _MALWARE else f"{name} {english}"
