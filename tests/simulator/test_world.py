from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.message_drafts import ApiError, Attachment, Draft
from bot.simulator.world import (
    DEFAULT_PERMISSIONS,
    Clock,
    Event,
    InteractionFailed,
    Message,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    MessageFlag,
    Permission,
    ResponseKind,
    World,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    world = World.create_default(clock=clock)
    world.bot_api.register_commands(None, [{"name": "ask", "options": [{"name": "question", "type": 3}]}])
    return world


def find_channel_id(world: World) -> int:
    return world.find_channel("general").id


def find_ada_id(world: World) -> int:
    return world.find_user("Ada").id


def acknowledge_question(world: World, kind: ResponseKind = ResponseKind.DEFERRED_MESSAGE, flags: int = 0) -> str:
    """A question that was acknowledged so; its token."""
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    draft = Draft(content="now" if kind is ResponseKind.MESSAGE else None, flags=flags)
    world.interaction_api.acknowledge(interaction.id, interaction.token, kind, {}, draft)
    return interaction.token


def raises_api_error(code: int) -> pytest.RaisesExc[ApiError]:
    return pytest.RaisesExc(ApiError, check=lambda refusal: refusal.code == code)


# Messages


def test_a_message_keeps_every_state_it_was_shown_in(world: World, clock: Clock) -> None:
    message = world.bot_api.send(find_channel_id(world), Draft(content="one"))
    clock.advance(0.5)
    world.bot_api.edit(message.channel_id, message.id, Draft(content="two"))
    assert [state.content for state in message.states] == ["one", "two"]
    assert message.states[1].time - message.states[0].time == pytest.approx(0.5, abs=0.1)


def test_an_edit_leaves_alone_what_it_does_not_name(world: World) -> None:
    embed = {"description": "kept"}
    message = world.bot_api.send(find_channel_id(world), Draft(content="one", embeds=(embed,), flags=4))
    world.bot_api.edit(message.channel_id, message.id, Draft(content="two"))
    assert message.current_state.embeds == (embed,)
    assert message.current_state.flags is MessageFlag.SUPPRESS_EMBEDS
    assert message.current_state.sent_flags is None


def test_flags_and_allowed_mentions_are_kept_as_they_were_sent(world: World) -> None:
    message = world.bot_api.send(find_channel_id(world), Draft(content="one", flags=4, allowed_mentions={"parse": []}))
    assert (message.current_state.sent_flags, message.current_state.allowed_mentions) == (4, {"parse": []})


def test_content_is_counted_in_code_points_and_trimmed() -> None:
    assert Draft.parse({"content": " \n" + "😀" * 2_000 + "\n"}).content == "😀" * 2_000
    with raises_api_error(50035):
        Draft.parse({"content": "😀" * 2_001})


@given(st.text(max_size=2_100))
def test_any_content_is_trimmed_or_refused_by_its_length(text: str) -> None:
    if len(text.strip()) > 2_000:
        with raises_api_error(50035):
            Draft.parse({"content": text})
    else:
        assert Draft.parse({"content": text}).content == text.strip()


@pytest.mark.parametrize("blank", [{}, {"content": ""}, {"content": " \n\t"}, {"content": None}])
def test_an_empty_message_is_refused(world: World, blank: dict[str, object]) -> None:
    with raises_api_error(50006):
        world.bot_api.send(find_channel_id(world), Draft.parse(blank))
    message = world.bot_api.send(find_channel_id(world), Draft(content="said"))
    with raises_api_error(50006):
        world.bot_api.edit(message.channel_id, message.id, Draft.parse({"content": " "}))


@pytest.mark.parametrize(
    "embeds",
    [
        [{"description": "x" * 4_097}],
        [{"title": "x" * 257}],
        [{"description": "x" * 4_000}, {"description": "x" * 2_001}],
        [{}] * 11,
    ],
)
def test_embeds_over_a_limit_are_refused(embeds: list[dict[str, object]]) -> None:
    with raises_api_error(50035):
        Draft.parse({"embeds": embeds})


def test_the_same_enforced_nonce_gives_the_first_message_back(world: World, clock: Clock) -> None:
    draft = Draft(content="once", nonce="a1", enforce_nonce=True)
    first = world.bot_api.send(find_channel_id(world), draft)
    assert world.bot_api.send(find_channel_id(world), draft) is first
    assert world.bot_api.send(world.find_channel("random").id, draft) is not first
    clock.advance(301)
    assert world.bot_api.send(find_channel_id(world), draft) is not first


def test_a_nonce_that_is_not_enforced_changes_nothing(world: World) -> None:
    draft = Draft(content="twice", nonce="a1")
    assert world.bot_api.send(find_channel_id(world), draft) is not world.bot_api.send(find_channel_id(world), draft)


def test_a_nonce_is_at_most_25_characters_long() -> None:
    assert Draft.parse({"nonce": "n" * 25}).nonce == "n" * 25
    with raises_api_error(50035):
        Draft.parse({"nonce": "n" * 26})


def test_a_file_gets_an_id_and_goes_when_an_edit_does_not_keep_it(world: World) -> None:
    message = world.bot_api.send(
        find_channel_id(world), Draft(files=(Attachment("a.md", b"a"), Attachment("b.md", b"b")))
    )
    kept = message.current_state.attachments[1]
    world.bot_api.edit(message.channel_id, message.id, Draft(kept_file_ids=frozenset({kept.id})))
    assert message.current_state.attachments == (kept,)


def test_somebody_elses_message_cannot_be_edited(world: World) -> None:
    message = world.people.say(find_channel_id(world), find_ada_id(world), "mine")
    with raises_api_error(50005):
        world.bot_api.edit(message.channel_id, message.id, Draft(content="yours"))


def test_reply_to_a_deleted_message_is_refused_unless_fail_if_not_exists_is_off(world: World) -> None:
    message = world.people.say(find_channel_id(world), find_ada_id(world), "question")
    world.delete(message.id)
    with raises_api_error(50035):
        world.bot_api.send(message.channel_id, Draft(content="answer", reference_id=message.id))
    sent = world.bot_api.send(
        message.channel_id, Draft(content="answer", reference_id=message.id, must_reference_exist=False)
    )
    assert sent.current_state.content == "answer"


def test_deleted_messages_and_channels_are_unknown(world: World) -> None:
    channel = find_channel_id(world)
    message = world.bot_api.send(channel, Draft(content="here"))
    world.delete(message.id)
    with raises_api_error(10008):
        world.bot_api.edit(channel, message.id, Draft(content="there"))
    world.admin.delete_channel(channel)
    with raises_api_error(10003):
        world.bot_api.send(channel, Draft(content="there"))


def test_a_channel_takes_its_threads_and_their_messages_with_it(world: World) -> None:
    thread = world.bot_api.create_thread(find_channel_id(world), "details")
    message = world.bot_api.send(thread.id, Draft(content="in the thread"))
    token = acknowledge_question(world)
    world.admin.delete_channel(find_channel_id(world))
    assert thread.id not in world.channels
    assert message.deleted_at is not None
    with raises_api_error(10003):
        world.interaction_api.send_follow_up(token, Draft(content="anybody?"))
    with raises_api_error(10008):
        world.interaction_api.edit_response(token, None, Draft(content="anybody?"))


# Permissions


@pytest.mark.parametrize(
    ("taken", "code"),
    [(Permission.VIEW_CHANNEL, 50001), (Permission.SEND_MESSAGES, 50013), (Permission.READ_MESSAGE_HISTORY, 160002)],
)
def test_a_permission_that_is_missing_is_named_by_its_code(world: World, taken: Permission, code: int) -> None:
    question = world.people.say(find_channel_id(world), find_ada_id(world), "question")
    world.admin.deny(question.channel_id, world.bot.id, taken)
    with raises_api_error(code):
        world.bot_api.send(question.channel_id, Draft(content="answer", reference_id=question.id))
    world.admin.deny(question.channel_id, world.bot.id, Permission(0))
    sent = world.bot_api.send(question.channel_id, Draft(content="answer", reference_id=question.id))
    assert sent.reference_id == question.id


def test_a_thread_has_the_rules_of_its_channel(world: World) -> None:
    thread = world.bot_api.create_thread(find_channel_id(world), "details")
    world.bot_api.send(thread.id, Draft(content="in the thread"))
    world.admin.deny(find_channel_id(world), world.bot.id, Permission.SEND_MESSAGES_IN_THREADS)
    with raises_api_error(50013):
        world.bot_api.send(thread.id, Draft(content="in the thread"))


def test_a_bot_that_was_expelled_has_no_access(world: World) -> None:
    world.admin.remove_bot(next(iter(world.guilds)))
    with raises_api_error(50001):
        world.bot_api.send(find_channel_id(world), Draft(content="hello?"))


def test_an_administrator_may_do_what_a_channel_denies(world: World) -> None:
    guild = next(iter(world.guilds.values()))
    world.admin.deny(find_channel_id(world), world.bot.id, DEFAULT_PERMISSIONS)
    guild.members[world.bot.id] |= Permission.ADMINISTRATOR
    assert world.bot_api.send(find_channel_id(world), Draft(content="still here")).current_state.content == "still here"


def test_a_thread_is_started_once_at_a_message_and_only_where_allowed(world: World) -> None:
    message = world.people.say(find_channel_id(world), find_ada_id(world), "long story")
    assert world.bot_api.create_thread(find_channel_id(world), "details", message.id).id == message.id
    with raises_api_error(160004):
        world.bot_api.create_thread(find_channel_id(world), "details", message.id)
    world.admin.deny(find_channel_id(world), world.bot.id, Permission.CREATE_PUBLIC_THREADS)
    with raises_api_error(50013):
        world.bot_api.create_thread(find_channel_id(world), "elsewhere")


def test_a_file_needs_its_own_permission(world: World) -> None:
    world.admin.deny(find_channel_id(world), world.bot.id, Permission.ATTACH_FILES)
    with raises_api_error(50013):
        world.bot_api.send(find_channel_id(world), Draft(files=(Attachment("a.md", b"a"),)))


def test_another_members_message_is_deleted_only_by_who_manages_messages(world: World) -> None:
    guild = next(iter(world.guilds.values()))
    message = world.people.say(find_channel_id(world), find_ada_id(world), "mine")
    with raises_api_error(50013):
        world.bot_api.remove(message.channel_id, message.id)
    guild.members[world.bot.id] |= Permission.MANAGE_MESSAGES
    world.bot_api.remove(message.channel_id, message.id)
    assert message.deleted_at is not None


def test_direct_messages_are_opened_once_and_only_with_somebody(world: World) -> None:
    direct = world.bot_api.create_dm(find_ada_id(world))
    assert world.bot_api.create_dm(find_ada_id(world)) is direct
    assert world.permissions_for(world.find_user("Ben").id, direct) == Permission(0)
    with raises_api_error(50033):
        world.bot_api.create_dm(1)


def test_commands_are_registered_only_in_a_guild_the_bot_is_in(world: World) -> None:
    elsewhere = world.admin.add_guild("Elsewhere", has_bot=False)
    for guild_id in (elsewhere.id, 1):
        with raises_api_error(50001):
            world.bot_api.register_commands(guild_id, [])


# Interactions


def test_a_deferred_answer_is_shown_as_thinking_and_then_in_place(world: World) -> None:
    token = acknowledge_question(world)
    (message,) = world.history(find_channel_id(world))
    assert message.current_state.is_thinking
    world.interaction_api.edit_response(token, None, Draft(content="because"))
    assert (message.current_state.content, message.current_state.is_thinking, message.edited_at) == (
        "because",
        False,
        None,
    )
    world.interaction_api.edit_response(token, None, Draft(content="because of that"))
    assert message.edited_at == message.current_state.time


def test_first_follow_up_after_a_defer_replaces_the_deferred_message(world: World) -> None:
    token = acknowledge_question(world)
    first = world.interaction_api.send_follow_up(token, Draft(content="first"))
    second = world.interaction_api.send_follow_up(token, Draft(content="second"))
    assert world.interaction_api.find_response(token, None) is first
    assert world.history(find_channel_id(world)) == [first, second]


def test_an_ephemeral_answer_is_seen_by_the_asker_alone(world: World) -> None:
    token = acknowledge_question(world, flags=MessageFlag.EPHEMERAL)
    message = world.interaction_api.edit_response(token, None, Draft(content="between us"))
    assert message.visible_to_user_id == find_ada_id(world)
    with raises_api_error(10008):
        world.bot_api.find_message_for_bot(find_channel_id(world), message.id)


def test_interaction_fails_after_three_seconds_without_an_answer(world: World, clock: Clock) -> None:
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    clock.advance(3.1)
    with raises_api_error(10062):
        world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.DEFERRED_MESSAGE, {}, Draft())
    assert interaction.has_failed


def test_an_interaction_is_acknowledged_once(world: World) -> None:
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.DEFERRED_MESSAGE, {}, Draft())
    with raises_api_error(40060):
        world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.DEFERRED_MESSAGE, {}, Draft())


def test_a_first_answer_that_is_refused_may_be_tried_again(world: World) -> None:
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    with raises_api_error(50006):
        world.interaction_api.acknowledge(
            interaction.id, interaction.token, ResponseKind.MESSAGE, {}, Draft(content="")
        )
    world.interaction_api.acknowledge(
        interaction.id, interaction.token, ResponseKind.MESSAGE, {}, Draft(content="because")
    )
    assert world.history(find_channel_id(world))[0].current_state.content == "because"


def test_a_token_is_good_for_fifteen_minutes_and_the_message_for_longer(world: World, clock: Clock) -> None:
    token = acknowledge_question(world)
    clock.advance(14 * 60 + 50)
    message = world.interaction_api.edit_response(token, None, Draft(content="almost"))
    clock.advance(20)
    with raises_api_error(50027):
        world.interaction_api.edit_response(token, None, Draft(content="too late"))
    assert (
        world.bot_api.edit(message.channel_id, message.id, Draft(content="not too late")).current_state.content
        == "not too late"
    )


def test_a_token_does_not_work_before_the_first_answer_nor_a_wrong_one_ever(world: World) -> None:
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    for token in (interaction.token, "guessed"):
        with raises_api_error(10015):
            world.interaction_api.send_follow_up(token, Draft(content="too early"))


def test_a_token_reaches_only_its_own_messages(world: World) -> None:
    first, second = acknowledge_question(world, ResponseKind.MESSAGE), acknowledge_question(world, ResponseKind.MESSAGE)
    other = world.interaction_api.find_response(second, None)
    with raises_api_error(10008):
        world.interaction_api.edit_response(first, other.id, Draft(content="not mine"))


def test_a_button_is_pressed_where_it_is_shown_and_enabled(world: World) -> None:
    buttons = [{"type": 2, "custom_id": "stop"}, {"type": 2, "custom_id": "gone", "disabled": True}]
    rows = ({"type": 1, "components": buttons},)
    message = world.bot_api.send(find_channel_id(world), Draft(content="answer", components=rows))
    pressed = world.people.press(message.id, "stop", find_ada_id(world))
    world.interaction_api.acknowledge(
        pressed.id, pressed.token, ResponseKind.UPDATE, {}, Draft(content="stopped", components=())
    )
    assert message.current_state.content == "stopped"
    for custom_id in ("stop", "gone", "never"):
        with pytest.raises(LookupError):
            world.people.press(message.id, custom_id, find_ada_id(world))


def test_a_modal_comes_back_filled_in(world: World) -> None:
    message = world.bot_api.send(
        find_channel_id(world), Draft(content="answer", components=({"type": 2, "custom_id": "down"},))
    )
    pressed = world.people.press(message.id, "down", find_ada_id(world))
    text = {"type": 4, "custom_id": "missing", "id": 2}
    modal = {"custom_id": "feedback", "components": [{"type": 18, "id": 1, "component": text}]}
    world.interaction_api.acknowledge(pressed.id, pressed.token, ResponseKind.MODAL, modal, Draft())
    sent = world.people.submit_modal(pressed.id, {"missing": "the price"})
    assert sent.data["components"] == [
        {"type": 18, "id": 1, "component": {"type": 4, "id": 2, "custom_id": "missing", "value": "the price"}}
    ]


def test_a_sub_commands_options_travel_inside_it(world: World) -> None:
    dry_run = {"name": "dry_run", "type": 5}
    world.bot_api.register_commands(
        None, [{"name": "library", "options": [{"name": "reindex", "type": 1, "options": [dry_run]}]}]
    )
    used = world.people.use_command(find_channel_id(world), find_ada_id(world), "library reindex", {"dry_run": True})
    inner = {"name": "reindex", "type": 1, "options": [{"name": "dry_run", "type": 5, "value": True}]}
    assert used.data["options"] == [inner]


def test_a_command_that_is_not_registered_cannot_be_used(world: World) -> None:
    with pytest.raises(LookupError):
        world.people.use_command(find_channel_id(world), find_ada_id(world), "sing")


def test_a_command_keeps_its_id_when_it_is_registered_again(world: World) -> None:
    before = world.commands[None][0]["id"]
    assert world.bot_api.register_commands(None, [{"name": "ask", "description": "new words"}])[0]["id"] == before


# Who watches


def test_watchers_receive_events_in_order_until_they_stop(world: World) -> None:
    told = list[Event]()
    stop = world.watch(told.append)
    message = world.bot_api.send(find_channel_id(world), Draft(content="one"))
    world.bot_api.edit(message.channel_id, message.id, Draft(content="two"))
    world.bot_api.remove(message.channel_id, message.id)
    stop()
    world.bot_api.send(find_channel_id(world), Draft(content="unheard"))
    assert [type(event) for event in told] == [MessageCreated, MessageEdited, MessageDeleted]


def test_a_subscription_is_a_queue_of_events(world: World) -> None:
    with world.subscribe() as queue:
        message = world.people.say(find_channel_id(world), find_ada_id(world), "hello")
    world.people.say(find_channel_id(world), find_ada_id(world), "unheard")
    assert queue.get_nowait() == MessageCreated(message.created_at, message)
    assert queue.empty()


def test_failed_interaction_is_emitted_once(world: World, clock: Clock) -> None:
    told = list[Event]()
    world.watch(told.append)
    interaction = world.people.use_command(find_channel_id(world), find_ada_id(world), "ask", {"question": "why?"})
    clock.advance(3.1)
    world.fail_overdue_interactions()
    world.fail_overdue_interactions()
    assert [e.interaction for e in told if isinstance(e, InteractionFailed)] == [interaction]


def test_ids_rise_and_hold_the_time(world: World, clock: Clock) -> None:
    ids = [world.generate_id() for _ in range(100)]
    assert ids == sorted(set(ids))
    seconds = (ids[-1] >> 22) / 1000 + 1_420_070_400
    assert seconds == pytest.approx(clock(), abs=0.5)


def test_a_repr_does_not_show_a_token(world: World) -> None:
    token = acknowledge_question(world)
    shown = repr(list(world.interactions.values()))
    assert token not in shown


def test_history_holds_undeleted_messages_in_order(world: World) -> None:
    said: list[Message] = [
        world.people.say(find_channel_id(world), find_ada_id(world), text) for text in ("a", "b", "c")
    ]
    world.delete(said[1].id)
    assert world.history(find_channel_id(world)) == [said[0], said[2]]
