"""Study that the workers share: found or created, with a search space that grows."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.hyperparameters import HyperParameter

from dodona import AlreadyExists, Client, NotFound, Study
from dodona.keras._compat import create_objective, has_hyperparameter
from dodona.keras._mapping.objective import metrics_of, objective_of, parts_of
from dodona.keras._mapping.search_space import Space
from dodona.keras._study.folders import project_folder
from dodona.keras._study.overwrite import remove_folders, start_over
from dodona.keras._study.requested_spec import check_objective, check_parts, differences, new_study_id
from dodona_schemas.vertex import StudySpec

logger = logging.getLogger("dodona")

# KerasTuner's default project name: as a study, unrelated scripts would share it.
_UNNAMED_PROJECT = "untitled_project"


class SharedStudy:
    """A study that the first worker creates and the others join.

    It is looked up when it is first needed, and created with the space known by then, so that a worker that joins finds
    the whole space.

    Args:
        client: the connection.
        study_id: the study's name; None to take the project's.
        requested: the spec of the script.
        objective: KerasTuner's objective; None for that of `requested` or of the existing study, or its default.
        hyperparameters: hyperparameters that are declared in advance.
        overwrite: whether to start the study over, by the rule of `overwrite`.

    Attributes:
        overwrite: see the argument.
        objective: the study's objective.
        space: the study's space, as far as this process knows it.
        joined: whether the study existed already.

    """

    def __init__(
        self,
        client: Client,
        study_id: str | None,
        requested: StudySpec,
        objective: object,
        hyperparameters: HyperParameters | None,
        overwrite: bool,
    ) -> None:
        self.client = client
        self.joined = False
        self._study_id = study_id
        self._folder: str | None = None
        self._requested = requested
        self._objective_is_given = objective is not None or bool(requested.metrics)
        self.objective: Objective = (
            objective_of(requested.metrics) if requested.metrics else create_objective(objective)
        )
        requested.metrics = requested.metrics or metrics_of(self.objective)
        self.space = Space(requested.parameters)
        # The hyperparameters that only this worker knows.
        self._untuned = HyperParameters()
        self.overwrite = overwrite
        self._looked_up = False
        self._study: Study | None = None
        self._last_spec: StudySpec | None = None
        if hyperparameters is not None:
            self.add(hyperparameters.space)

    @property
    def spec(self) -> StudySpec:
        """Spec of the study; before the study exists, that of the script."""
        return self._study.spec if self._study is not None else self._requested

    def set_project(self, directory: str, project: str) -> None:
        """Set the project; a study without a name gets its name.

        Args:
            directory: KerasTuner's working directory.
            project: the name of the project's folder in it.
        """
        self._folder = project_folder(directory, project, warn=True)
        if self._study_id is None and project != _UNNAMED_PROJECT:
            self._study_id = project

    def look_up(self) -> Study | None:
        """Return the study, and join it if it exists; None if it does not.

        Raises:
            ValueError: the study has another objective.
        """
        if not self._looked_up:
            study = self._find()
            if study is not None and self.overwrite:
                deleted = start_over(study)
                if deleted is not None and self._folder is not None:
                    remove_folders(self._folder, deleted)
                study = self._find()
            if study is not None:
                self._join(study)
            self._looked_up = True
        return self._study

    def get(self) -> Study:
        """Return the study; create it if it does not exist.

        Raises:
            ValueError: the study has another objective.
        """
        return self.look_up() or self._create()

    def refresh(self) -> None:
        """Fetch the current space, if the study exists."""
        study = self.look_up()
        if study is not None:
            study.refresh()
            self.sync()

    def sync(self) -> None:
        """Apply the space of the last fetched study; asking for a trial may fetch it too."""
        if self._study is not None and self._study.spec is not self._last_spec:
            self._last_spec = self._study.spec
            self.space.update(self._last_spec.parameters)

    def add(self, new: Iterable[HyperParameter]) -> None:
        """Add hyperparameters to the space: at once if the study exists, else when it is created.

        Args:
            new: hyperparameters that the space lacks.
        """
        new = list(new)
        tree = self.space.grown(new)
        if self._study is None:
            self.space.update(tree.specs, new)
            return
        if tree.additions:
            self._study.add_parameters(tree.additions)
        self.space.update(self._study.spec.parameters, new)

    def add_untuned(self, new: Iterable[HyperParameter]) -> None:
        """Add hyperparameters that only this worker knows; they have their defaults in all trials and are never tuned.

        Args:
            new: hyperparameters that the space lacks.
        """
        self._untuned.merge(list(new))
        self.space.update(self.space.specs, self._untuned.space)

    @property
    def tuned(self) -> HyperParameters:
        """Space without the hyperparameters that only this worker knows."""
        untuned = [
            hp for hp in self._untuned.space if not has_hyperparameter(Space(self.space.specs).hyperparameters, hp)
        ]
        return self.space.without(untuned)

    @property
    def study_id(self) -> str:
        """Name of the study; a new one is generated if none was given."""
        if self._study_id is None:
            self._study_id = new_study_id()
            logger.warning(
                "no study_id was given; the study is called %r. Pass study_id= so that workers share it", self._study_id
            )
        return self._study_id

    def _find(self) -> Study | None:
        try:
            return self.client.get_study(self.study_id)
        except NotFound:
            return None

    def _create(self) -> Study:
        spec = self._requested.model_copy(update={"parameters": self.space.specs})
        try:
            self._study = self.client.create_study(self.study_id, spec=spec, metadata=parts_of(self.objective))
        except AlreadyExists:
            # Another worker was faster, with a slightly different space: the missing part is added.
            return self._join(self.client.get_study(self.study_id))
        self.space.update(self._study.spec.parameters)
        return self._study

    def _join(self, study: Study) -> Study:
        if self._objective_is_given:
            check_objective(study, self._requested.metrics)
            check_parts(study, self.objective)
        else:
            self.objective = objective_of(study.spec.metrics)
        found, self.space = self.space.hyperparameters, Space(study.spec.parameters)
        others = differences(study, self._requested) + self.space.differences(found)
        if others:
            logger.warning("joining the study %r as it is: %s", study.display_name, "; ".join(others))
        self._study, self.joined = study, True
        self.add(hp for hp in self.space.missing(found) if not has_hyperparameter(self._untuned, hp))
        self.add_untuned(())
        return study
