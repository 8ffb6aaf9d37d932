"""The windows of Gatekeeper in other languages say what the English ones say."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause

DAMAGED = {
    "simplified Chinese": "打开弹窗：“Tin.app”已损坏，无法打开。 您应该将它移到废纸篓。",
    "Chinese, as it is typed": "「Tin.app已损坏,打不开.你应该将它移到废纸篓」",
    "traditional Chinese": "「Tin.app」已損毀，無法打開。您應該將其丟到「垃圾桶」。",
    "Japanese": "“Tin.app”は壊れているため開けません。ゴミ箱に入れる必要があります。",
    "Korean": "‘Tin.app’은(는) 손상되었기 때문에 열 수 없습니다.",
    "German": "„Tin.app“ ist beschädigt und kann nicht geöffnet werden. Es empfiehlt sich, das Objekt zu bewegen.",
    "French": "« Tin.app » est endommagé et ne peut pas être ouvert. Vous devriez placer cet élément dans la corbeille.",
    "Spanish": "“Tin.app” está dañado y no puede abrirse. Deberías moverlo a la Papelera.",
    "Italian": "“Tin.app” è danneggiato e non può essere aperto.",
    "Portuguese": "“Tin.app” está danificado e não pode ser aberto.",
    "Russian": "Программа «Tin.app» повреждена, и её не удается открыть.",
    "Dutch": "‘Tin.app’ is beschadigd en kan niet worden geopend.",
}
UNKNOWN_MAKER = {
    "Chinese": "无法打开“Tin.app”，因为无法验证开发者。",
    "Chinese of macOS 15": "Apple无法验证“Tin.app”是否包含可能危害Mac安全或泄漏隐私的恶意软件。",
    "Japanese": "“Tin.app”は、開発元を検証できないため開けません。",
    "German": "„Tin.app“ kann nicht geöffnet werden, da der Entwickler nicht verifiziert werden kann.",
    "French": "Impossible d’ouvrir « Tin.app », car le développeur ne peut pas être vérifié.",
    "Spanish": "No se puede abrir “Tin.app” porque no se puede verificar el desarrollador.",
    "Russian": "Не удается открыть «Tin.app», так как не удалось проверить разработчика.",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_damaged_is_read_in_other_languages_with_the_name_of_the_app(text: str) -> None:
    (found,) = diagnose(text).answers
    assert (found.form, found.fact("app")) == ("gk.damaged", "Tin.app")
    assert any("words of the system" in note for note in found.notes)


@pytest.mark.parametrize("text", UNKNOWN_MAKER.values(), ids=UNKNOWN_MAKER)
def test_an_unknown_maker_is_read_in_other_languages_with_the_name_of_the_app(text: str) -> None:
    (found,) = diagnose(text).answers
    assert (found.cause, found.fact("app")) == (Cause.NOT_NOTARIZED, "Tin.app")


@pytest.mark.parametrize(
    "text",
    [
        "Mac 打开显示 已损坏",
        "Die Datei ist beschädigt.",
        "Le fichier est endommagé, il faut le télécharger encore.",
        "開発元を確認します",
    ],
)
def test_words_that_no_window_has_are_not_read_as_one(text: str) -> None:
    assert diagnose(text).answers == ()


def test_a_window_that_names_no_app_gives_no_name() -> None:
    (found,) = diagnose("应用已损坏，无法打开。你应该将它移到废纸篓。").answers
    assert found.form == "gk.damaged"
    assert found.fact("app") is None


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("When I open it, it says Tin is damaged and can't be opened.", "Tin"),
        ('Shows "App Is Damaged And Can\'t Be Opened" at the start.', None),
        ("After the last update of all my things the Tin app is damaged and can't be opened.", None),
        ("macOS reports: “Tin Pan” is damaged and can’t be opened.", "Tin Pan"),
    ],
)
def test_the_sentence_around_a_window_is_no_name_of_an_app(text: str, app: str | None) -> None:
    (found,) = diagnose(text).answers
    assert found.fact("app") == app
