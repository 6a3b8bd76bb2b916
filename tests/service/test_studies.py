"""How studies are made, found and ended."""

from __future__ import annotations

import pytest

from dodona_server.domain.errors import AlreadyExists, InvalidArgument, NotFound
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import StudySpec, StudyState
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.service.studies.lookup import get_spec
from tests.service.conftest import HERE, NAME, Services


def test_the_same_spec_gives_the_study_there_is_and_another_is_refused(services: Services) -> None:
    made = services.study()
    assert services.study().key == made.key
    with pytest.raises(AlreadyExists):
        services.study(space=SearchSpace((Parameter("y", Double(0.0, 1.0)),)))


def test_it_is_found_by_both_names(services: Services) -> None:
    made = services.study()
    assert services.run(services.studies.get(NAME)) == made
    assert services.run(services.studies.lookup(HERE, "s")) == made
    with pytest.raises(NotFound):
        services.run(services.studies.lookup(HERE, "another"))


def test_a_study_grows_and_goes_on_after_its_budget(services: Services) -> None:
    services.study()
    added = [Parameter("y", Double(0.0, 1.0, default_value=0.5))]
    grown = services.run(services.studies.add_parameters(NAME, added, {}))
    assert [parameter.id for parameter in grown.spec.space.parameters] == ["x", "y"]
    services.run(services.steering.set_max_trials(NAME, 1))
    assert len(services.suggest(count=5)) == 1
    services.run(services.steering.set_max_trials(NAME, 3))
    assert len(services.suggest(count=5)) == 3


def test_one_that_was_completed_is_resumed(services: Services) -> None:
    services.study()
    completed = services.run(services.studies.move(NAME, StudyVerb.COMPLETE))
    assert completed.state is StudyState.COMPLETED
    assert services.suggest() == []
    assert services.run(services.studies.move(NAME, StudyVerb.RESUME)).state is StudyState.ACTIVE


def test_a_name_that_is_none_is_refused(services: Services) -> None:
    with pytest.raises(InvalidArgument):
        services.study("a/b")


def test_what_is_deleted_is_gone(services: Services) -> None:
    services.study()
    services.suggest()
    services.run(services.studies.delete(NAME))
    for call in (services.studies.get(NAME), services.queries.page(NAME, 0, 9)):
        with pytest.raises(NotFound):
            services.run(call)
    assert services.study().trial_count == 0


def test_a_report_finds_the_spec_by_key_and_it_is_parsed_once_for_each_version(services: Services) -> None:
    study = services.study(stopping_rule=StoppingRule(StoppingMethod.MEDIAN))

    def spec() -> StudySpec:
        return services.run(services.store.read(lambda transaction: get_spec(transaction, study.key)))

    first = spec()
    assert first == study.spec
    assert spec() is first
    services.run(services.steering.set_max_trials(NAME, 7))
    assert spec() == services.run(services.studies.get(NAME)).spec != first
    with pytest.raises(NotFound):
        services.run(services.store.read(lambda transaction: get_spec(transaction, study.key + 1)))
